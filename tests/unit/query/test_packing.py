"""Columns and tables of groups as bytes: what comes back, and what damage is told."""

from __future__ import annotations

import lz4.block
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import QueryException
from nemeton.model import ColumnType
from nemeton.query.aggregators.count import CountAggregatorFactory
from nemeton.query.engines.table import GroupTable
from nemeton.query.packing import pack, pack_table, pack_vector, unpack, unpack_table, unpack_vector
from nemeton.query.vectors import Dictionary, NumericVector, ObjectVector, StringVector, null_vector, object_array

TEXTS = st.lists(st.one_of(st.none(), st.text(), st.just("\ud800")), max_size=20)
LONGS = st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=20)
DOUBLES = st.lists(st.floats(), max_size=20)


def again(vector):
    return unpack_vector(unpack(pack(pack_vector(vector))), len(vector))


@given(TEXTS)
def test_texts_come_back(values):
    distinct = sorted(set(values), key=lambda each: (each is not None, each or ""))
    codes = np.array([distinct.index(value) for value in values], dtype=np.int32)
    unused = ["never there", *distinct]
    found = again(StringVector(codes + 1, Dictionary(unused, len(unused))))
    assert found.to_list() == values


@given(LONGS)
def test_longs_come_back(values):
    nulls = np.array([value is None for value in values], dtype=bool)
    found = again(NumericVector(ColumnType.LONG, np.array([v or 0 for v in values], dtype=np.int64), nulls))
    assert found.to_list() == values
    assert found.type == ColumnType.LONG


@given(DOUBLES)
def test_doubles_come_back_to_the_bit(values):
    found = again(NumericVector(ColumnType.DOUBLE, np.array(values, dtype=np.float64), None))
    assert found.values.tobytes() == np.array(values, dtype=np.float64).tobytes()


def test_floats_stay_floats_and_nothing_stays_nothing():
    floats = again(NumericVector(ColumnType.FLOAT, np.array([0.1, 2.5], dtype=np.float32), None))
    assert floats.values.dtype == np.float32
    assert again(null_vector(3)).to_list() == [None, None, None]


def test_lists_and_documents_come_back():
    values = [[1, None], {"a": ["x"]}, None, "text", 1.5]
    assert again(ObjectVector(ColumnType.STRING_ARRAY, object_array(values))).to_list() == values


def table(count):
    times = np.arange(count, dtype=np.int64)
    numbers = NumericVector(ColumnType.LONG, times * 3, None)
    return GroupTable(count, times, [numbers], [np.full(count, 7, dtype=np.int64)])


COUNT = [CountAggregatorFactory("n")]


def test_a_table_comes_back():
    found = unpack_table(pack_table(table(4), COUNT), COUNT)
    assert (found.num_groups, found.times.tolist()) == (4, [0, 1, 2, 3])
    assert found.dimensions[0].to_list() == [0, 3, 6, 9]
    assert found.states[0].tolist() == [7, 7, 7, 7]


def packed(*parts):
    return lz4.block.compress(msgspec.msgpack.encode(parts))


LONG_ARRAY = ("<i8", (2,), bytes(16))
FAR = ("<u4", (2,), b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 20,
        lz4.block.compress(b"\xc1"),
        packed(),
        packed(2, LONG_ARRAY, [], []),
        packed(3, LONG_ARRAY, [("numbers", "LONG", LONG_ARRAY, None)], [(True, [LONG_ARRAY])]),
        packed(2, LONG_ARRAY, [("numbers", "LONG", ("|O", (2,), bytes(16)), None)], [(True, [LONG_ARRAY])]),
        packed(2, LONG_ARRAY, [("numbers", "LONG", ("<i8", (2,), bytes(9)), None)], [(True, [LONG_ARRAY])]),
        packed(2, LONG_ARRAY, [("strings", FAR, (False, ["x"]))], [(True, [LONG_ARRAY])]),
        packed(2, LONG_ARRAY, [("strings", ("<i4", (2,), bytes(8)), (False, ["x"]))], [(True, [LONG_ARRAY])]),
        packed(2, LONG_ARRAY, [("objects", "STRING", [1])], [(True, [LONG_ARRAY])]),
        packed(2, LONG_ARRAY, [("numbers", "LONG", LONG_ARRAY, None)], [(False, [1])]),
        packed(2, LONG_ARRAY, [("numbers", "LONG", LONG_ARRAY, None)], [(True, [])]),
    ],
    ids=[
        "nothing", "no LZ4", "no MessagePack", "no parts", "no state", "other count", "objects", "cut", "code",
        "signed codes", "few values", "few states", "no array",
    ],
)  # fmt: skip
def test_what_is_no_table_is_told(data):
    with pytest.raises(QueryException, match="cannot be read"):
        unpack_table(data, COUNT)


@given(st.data())
def test_a_flipped_byte_is_told_or_changes_values_alone(data):
    whole = bytearray(pack_table(table(4), COUNT))
    at = data.draw(st.integers(4, len(whole) - 1))  # the first four are the size, which is not checked before use
    whole[at] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack_table(bytes(whole), COUNT)
    except QueryException:
        return
    assert found.num_groups == len(found.times) == len(found.dimensions[0]) == len(found.states[0])
