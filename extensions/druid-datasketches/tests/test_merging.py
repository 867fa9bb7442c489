"""However rows are divided into parts and parts are merged, sketches come to the same, or as near as they promise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.query.vectors import object_array
from nemeton_datasketches.hashing import hash_longs
from nemeton_datasketches.hll import HllState, coupon_limit, coupons_of
from nemeton_datasketches.pairs import distinct_pairs, numbered_pairs
from nemeton_datasketches.quantiles import DOUBLES, KLL_DOUBLES, KLL_FLOATS, QuantilesState
from nemeton_datasketches.theta import MAX_THETA, ThetaState, pair_order
from nemeton_datasketches.tuples import TupleState

GROUPS = 3
ROWS = st.lists(st.tuples(st.integers(0, GROUPS - 1), st.integers(0, 2000)), min_size=1, max_size=400)
CUTS = st.lists(st.integers(0, 400), max_size=4)


def theta(rows, size=16):
    state = ThetaState(GROUPS, size)
    add_theta(state, rows)
    return state


def add_theta(state, rows):
    groups, values = columns(rows)
    state.add(groups, (hash_longs(values)[0] >> np.uint64(1)).astype(np.int64))


def columns(rows):
    table = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def parts(rows, cuts):
    places = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    return [rows[a:b] for a, b in itertools.pairwise(places)]


def merged(make, pieces, as_bytes):
    whole = make([])
    for piece in pieces:
        other = make(piece)
        if as_bytes:
            whole.merge_blobs(np.arange(GROUPS), object_array(other.to_bytes()))
        else:
            whole.merge(other, np.arange(GROUPS))
    return whole


@given(ROWS, CUTS, st.booleans(), st.randoms())
@settings(deadline=None, max_examples=60)
def test_theta_sketches_do_not_depend_on_parts_or_order(rows, cuts, as_bytes, chance):
    whole = theta(rows)
    pieces = parts(rows, cuts)
    chance.shuffle(pieces)
    assert merged(theta, pieces, as_bytes).to_bytes() == whole.to_bytes()
    for group in range(GROUPS):
        hashes = sorted({int(h) >> 1 for h in hash_longs(np.array([v for g, v in rows if g == group]))[0].tolist()})
        kept, starts = whole.settled()
        assert kept[starts[group] : starts[group + 1]].tolist() == hashes[:16]
        assert whole.thetas[group] == (hashes[16] if len(hashes) > 16 else MAX_THETA)


@given(ROWS, CUTS, st.booleans())
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("lg_k", [4, 8])
def test_hll_registers_do_not_depend_on_parts(lg_k, rows, cuts, as_bytes):
    def make(piece):
        state = HllState(GROUPS, lg_k)
        groups, values = columns(piece)
        state.add(groups, coupons_of(*hash_longs(values)))
        return state

    whole, other = make(rows), merged(make, parts(rows, cuts), as_bytes)
    for one, two in zip(whole.to_bytes(2), other.to_bytes(2), strict=True):
        assert one[:5] == two[:5]
        if one[7] & 3 == 2:
            assert one[40:] == two[40:]
        else:
            begin = 8 if one[7] & 3 == 0 else 12
            assert sorted(np.frombuffer(one, "<u4", offset=begin)) == sorted(np.frombuffer(two, "<u4", offset=begin))


@given(ROWS, CUTS, st.booleans())
@settings(deadline=None, max_examples=40)
def test_tuple_sketches_of_few_keys_add_up_whatever_the_parts(rows, cuts, as_bytes):
    def make(piece):
        state = TupleState(GROUPS, 4096, 1)
        groups, values = columns(piece)
        hashes = (hash_longs(values)[0] >> np.uint64(1)).astype(np.int64)
        state.add(groups, hashes, values[:, None].astype(float))
        return state

    whole, other = make(rows), merged(make, parts(rows, cuts), as_bytes)
    for one, two in zip(whole.sketches(), other.sketches(), strict=True):
        assert one.hashes.tolist() == two.hashes.tolist()
        assert one.values.tolist() == two.values.tolist()
    assert sum(sketch.values.sum() for sketch in whole.sketches()) == sum(value for _, value in rows)


@given(ROWS, CUTS, st.booleans())
@settings(deadline=None, max_examples=40)
def test_united_tuple_sketches_keep_the_least_hashes(rows, cuts, as_bytes):
    def make(piece):
        state = TupleState(GROUPS, 16, 1)
        groups, values = columns(piece)
        hashes = (hash_longs(values)[0] >> np.uint64(1)).astype(np.int64)
        state.add(groups, hashes, np.ones((len(values), 1)))
        return state

    for number, sketch in enumerate(merged(make, parts(rows, [*cuts, len(rows) // 2]), as_bytes).sketches()):
        hashes = sorted({int(h) >> 1 for h in hash_longs(np.array([v for g, v in rows if g == number]))[0].tolist()})
        assert sketch.hashes.tolist() == [h for h in hashes if h < sketch.theta]
        assert len(hashes) <= 30 or 16 <= len(sketch.hashes) <= 30


@pytest.mark.parametrize("kind", [DOUBLES, KLL_DOUBLES, KLL_FLOATS], ids=lambda kind: kind.name)
@given(rows=ROWS, cuts=CUTS, as_bytes=st.booleans())
@settings(deadline=None, max_examples=30)
def test_quantiles_keep_counts_and_extremes_whatever_the_parts(kind, rows, cuts, as_bytes):
    def make(piece):
        state = QuantilesState(GROUPS, kind, 16)
        groups, values = columns(piece)
        state.add(groups, values.astype(float))
        return state

    state = merged(make, parts(rows, cuts), as_bytes)
    for group, sketch in enumerate(state.sketches()):
        values = [value for g, value in rows if g == group]
        assert state.counts()[group] == len(values)
        if values:
            assert (sketch.get_min_value(), sketch.get_max_value()) == (min(values), max(values))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=60), st.sampled_from([10, 10**7]))
def test_pairs_are_numbered_in_order_of_first_appearance(pairs, num_codes):
    groups, codes = columns(pairs)
    expected = list(dict.fromkeys(pairs))
    rows, numbers = numbered_pairs(groups, codes, num_codes)
    assert [pairs[row] for row in rows.tolist()] == expected
    assert [expected[number] for number in numbers.tolist()] == pairs
    found = list(zip(*(column.tolist() for column in distinct_pairs(groups, codes, num_codes)), strict=True))
    assert list(dict.fromkeys(found)) == expected


def test_the_order_of_pairs_holds_also_where_first_bits_of_hashes_tie():
    groups = np.array([1, 0, 1, 1], dtype=np.int64)
    hashes = np.array([7, 9, 5, 1 << 40], dtype=np.int64) | (1 << 62)
    assert pair_order(groups, hashes).tolist() == [1, 2, 0, 3]
    many = np.array([1 << 40, 0], dtype=np.int64)  # so many groups that few bits of a hash are left
    assert pair_order(np.append(many, many), np.array([3, 2, 1, 4])).tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize("lg_k", [4, 7, 8, 12, 21])
def test_a_sketch_turns_to_registers_when_it_has_one_coupon_more_than_it_keeps(lg_k):
    limit = coupon_limit(lg_k)
    state = HllState(1, lg_k)
    coupons = np.arange(1, min(limit, 5000) + 1) | (1 << 26)
    state.add(np.zeros(len(coupons), dtype=np.int64), coupons)
    assert state.to_bytes()[0][7] & 3 != 2
    if limit <= 5000:
        state.add(np.zeros(1, dtype=np.int64), np.array([limit + 1 | (1 << 26)]))
        assert state.to_bytes()[0][7] & 3 == 2


def test_a_sketch_of_fewer_registers_shrinks_the_union():
    def state(lg_k, low, high):
        made = HllState(1, lg_k)
        made.add(np.zeros(high - low, dtype=np.int64), coupons_of(*hash_longs(np.arange(low, high))))
        return made

    union = state(12, 0, 5000)
    union.merge_blobs(np.zeros(1, dtype=np.int64), object_array(state(10, 2500, 7500).to_bytes()))
    (blob,) = union.to_bytes(2)
    assert (blob[3], len(blob)) == (10, 40 + 1024)
    assert union.estimates()[0] == pytest.approx(7500, rel=0.1)
    union.add(np.zeros(5000, dtype=np.int64), coupons_of(*hash_longs(np.arange(7500, 12500))))
    assert union.take(np.zeros(1, dtype=np.int64)).estimates()[0] == pytest.approx(12500, rel=0.1)
