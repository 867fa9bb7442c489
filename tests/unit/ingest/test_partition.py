"""Dividing rows by value: Druid's hashes and ranges, sketches, and that every row has exactly one place."""

from __future__ import annotations

import base64
import itertools
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.ingest.helpers import GOLDEN, values_of

from nemeton.common.errors import DruidException
from nemeton.ingest.coerce import Numbers
from nemeton.ingest.partition.buckets import HashBucketing, PartitionBoundaries, RangeBucketing
from nemeton.ingest.partition.cardinality import CardinalitySketch
from nemeton.ingest.partition.keys import dimension_keys, row_keys
from nemeton.ingest.partition.murmur import ByteStrings, murmur3_32, murmur3_128
from nemeton.ingest.partition.quantiles import K, TupleSketch
from nemeton.ingest.partition.seen import SeenRows
from nemeton.ingest.partition.tuples import composite_ranks, frame_of
from nemeton.ingest.rows import RowBatch
from nemeton.query.aggregators.hll import murmur3_128 as murmur3_128_of_equal_lengths
from nemeton.segment import QueryableIndex
from nemeton.segment.java_order import java_sort_key
from nemeton.time import NONE, Interval

DATASKETCHES = Path(__file__).parents[2] / "data" / "reference" / "batch" / "datasketches-hll.json"
DAY = Interval.parse("2024-01-01/P1D")
TEXTS = st.one_of(st.none(), st.text(max_size=8))


def batch(**columns: Any) -> RowBatch:
    out = RowBatch(np.full(len(next(iter(columns.values()))), DAY.start))
    for name, values in columns.items():
        lists = any(isinstance(value, list) for value in values)
        out.strings[name] = pl.Series(name, values, dtype=pl.List(pl.String) if lists else pl.String)
    return out


class TestMurmur:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [("", 0), ("hello", 0x248BFA47), ("hello, world", 0x149BBB7F), ("19 Jan 2038 at 3:14:07 AM", 0xE31E8A70)],
    )
    def test_known_values(self, text: str, expected: int) -> None:
        assert int(murmur3_32(ByteStrings.of(pl.Series([text])))[0]) & 0xFFFFFFFF == expected

    @given(st.lists(st.text(max_size=40), min_size=1, max_size=20))
    def test_each_string_by_itself_or_among_others(self, texts: list[str]) -> None:
        together = murmur3_32(ByteStrings.of(pl.Series(texts))).tolist()
        assert together == [int(murmur3_32(ByteStrings.of(pl.Series([text])))[0]) for text in texts]
        low, high = murmur3_128(ByteStrings.of(pl.Series(texts)))
        for i, text in enumerate(texts):
            data = np.frombuffer(text.encode(), dtype=np.uint8).reshape(1, -1)
            one, other = murmur3_128_of_equal_lengths(data)
            assert (int(one[0]), int(other[0])) == (int(low[i]), int(high[i]))


class TestKeys:
    def test_what_druid_hashes(self) -> None:
        rows = batch(a=["x", None, 'q"\n\x01ü\\'], m=[["b", "a", "b"], None, [None, ""]])
        assert dimension_keys(rows, ["m", "a", "none"]).to_list() == [
            '[["b","a","b"],["x"],[]]',
            "[[],[],[]]",
            r'[["null",""],["q\"\n\u0001ü\\"],[]]',
        ]
        assert row_keys(rows, np.array([1, 2, 3])).to_list() == [
            '[1,{"a":["x"],"m":["a","b"]}]',
            "[2,{}]",
            r'[3,{"a":["q\"\n\u0001ü\\"],"m":["","null"]}]',
        ]

    @given(st.lists(st.tuples(TEXTS, st.one_of(st.none(), st.lists(st.text(max_size=3), max_size=3))), min_size=1))
    def test_they_are_json(self, rows: list[tuple[str | None, list[str] | None]]) -> None:
        made = batch(a=[a for a, _ in rows], m=[m for _, m in rows] if any(m for _, m in rows) else [None] * len(rows))
        for key, (a, m) in zip(dimension_keys(made, ["a", "m"]).to_list(), rows, strict=True):
            assert json.loads(key) == [[] if a is None else [a], m or []]

    def test_numbers_are_spelled_as_java_does(self) -> None:
        rows = RowBatch(np.zeros(3, dtype=np.int64))
        rows.numbers["l"] = Numbers(np.array([1, 2, 0]), np.array([False, False, True]))
        rows.numbers["d"] = Numbers(np.array([1.0, 1e10, 0.1]))
        assert dimension_keys(rows, ["l", "d"]).to_list() == [
            '[["1"],["1.0"]]',
            '[["2"],["1.0E10"]]',
            '[[],["0.1"]]',
        ]


def druids(name: str, folder: Path) -> list[tuple[dict[str, Any], QueryableIndex]]:
    """A golden data source's segments with their shard specs."""
    out = []
    for archive in sorted((GOLDEN / "segments" / name).glob("*/*/index.zip")):
        place = folder / archive.parent.parent.name / archive.parent.name
        zipfile.ZipFile(archive).extractall(place)
        descriptor = json.loads((archive.parent / "descriptor.json").read_text())
        out.append((descriptor, QueryableIndex.open(place)))
    return out


class TestDruidsSegments:
    def test_its_hash_buckets(self, tmp_path: Path) -> None:
        for descriptor, index in druids("mixed_hashed", tmp_path):
            spec = descriptor["shardSpec"]
            bucketing = HashBucketing(
                dimensions=tuple(spec["partitionDimensions"]), query_granularity=NONE, default_count=spec["numBuckets"]
            )
            rows = batch(low=values_of(index, "low"), id=values_of(index, "id"))
            assert set(bucketing.buckets(rows, rows.times).tolist()) == {spec["bucketId"]}

    def test_its_ranges(self, tmp_path: Path) -> None:
        by_interval: dict[str, list[tuple[dict[str, Any], list[Any]]]] = {}
        for descriptor, index in druids("mixed_single_dim", tmp_path):
            by_interval.setdefault(descriptor["interval"], []).append((descriptor["shardSpec"], values_of(index, "id")))
        for parts in by_interval.values():
            sketch = TupleSketch(1)
            for _, values in parts:
                sketch.update(frame_of([(value,) for value in values], 1))
            boundaries = sketch.even_boundaries(target_rows=500, max_rows=None)
            ends = sorted(spec["end"] for spec, _ in parts if spec["end"] is not None)
            assert [cut[0] for cut in boundaries.cuts] == ends
            bucketing = RangeBucketing(dimensions=("id",), boundaries={DAY: boundaries})
            for spec, values in parts:
                rows = batch(id=values)
                assert set(bucketing.buckets(rows, rows.times).tolist()) == {spec["partitionNum"]}


class TestBuckets:
    @given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=30), st.integers(1, 7))
    @settings(max_examples=60)
    def test_equal_rows_hash_to_one_bucket(self, rows: list[tuple[Any, Any]], count: int) -> None:
        made = batch(a=[a for a, _ in rows], b=[b for _, b in rows])
        bucketing = HashBucketing(dimensions=("a", "b"), query_granularity=NONE, counts={DAY: count})
        found = bucketing.buckets(made, made.times).tolist()
        assert all(0 <= bucket < count for bucket in found)
        places: dict[Any, int] = {}
        assert all(places.setdefault(row, bucket) == bucket for row, bucket in zip(rows, found, strict=True))
        whole = HashBucketing(query_granularity=NONE, counts={DAY: count}).buckets(made, made.times).tolist()
        assert all(0 <= bucket < count for bucket in whole)

    @given(
        st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=30),
        st.sets(st.tuples(TEXTS, TEXTS), max_size=5),
    )
    @settings(max_examples=60)
    def test_every_row_is_in_exactly_one_range(self, rows: list[Any], cuts: set[Any]) -> None:
        def key(row: tuple[str | None, ...]) -> Any:
            return [(value is not None, b"" if value is None else java_sort_key(value)) for value in row]

        boundaries = PartitionBoundaries(tuple(sorted(cuts, key=key)))
        bucketing = RangeBucketing(dimensions=("a", "b"), boundaries={DAY: boundaries})
        made = batch(a=[a for a, _ in rows], b=[b for _, b in rows])
        for row, bucket in zip(rows, bucketing.buckets(made, made.times).tolist(), strict=True):
            start, end = boundaries.range(bucket)
            assert start is None or key(row) >= key(start)
            assert end is None or key(row) < key(end)
        specs = [bucketing.shard_spec(DAY, i) for i in range(boundaries.num_buckets)]
        assert specs[0].start is None
        assert specs[-1].end is None
        assert all(one.end == other.start for one, other in itertools.pairwise(specs))

    def test_an_interval_that_nobody_knows_of(self) -> None:
        made = batch(a=["x"])
        with pytest.raises(DruidException, match="Has the input changed"):
            HashBucketing(query_granularity=NONE, counts={}).buckets(made, made.times)

    @given(st.lists(st.tuples(TEXTS, TEXTS), min_size=2, max_size=20))
    def test_ranks_are_in_javas_order(self, rows: list[Any]) -> None:
        ranks = composite_ranks(frame_of(rows, 2)).tolist()
        for one, a in zip(rows, ranks, strict=True):
            for other, b in zip(rows, ranks, strict=True):
                assert (one == other) == (a == b)

    def test_boundaries_as_druid_writes_them(self) -> None:
        assert PartitionBoundaries((("p23",), ("p39",))).to_json() == [None, "p23", "p39", None]
        two = PartitionBoundaries((("a", None), ("b", "c")))
        assert two.to_json() == [None, ["a", None], ["b", "c"], None]
        assert PartitionBoundaries.from_json(two.to_json()) == two
        assert PartitionBoundaries.at([("a",), ("a",), ("b",), ("c",)]).cuts == (("b",),)


class TestQuantiles:
    def test_merged_parts_cut_as_the_whole(self) -> None:
        order = np.random.default_rng(7).permutation(60_000).tolist()
        whole, merged = TupleSketch(1), TupleSketch(1)
        for part in np.array_split(order, 4):
            frame = frame_of([(f"{i:06d}",) for i in part.tolist()], 1)
            whole.update(frame)
            one = TupleSketch(1)
            one.update(frame)
            merged.merge(TupleSketch.from_bytes(one.to_bytes()))
        for sketch in (whole, merged):
            assert sketch.count == 60_000
            cuts = sketch.even_boundaries(target_rows=10_000, max_rows=None).cuts
            places = [int(cut[0] or 0) for cut in cuts]
            assert len(places) == 5
            assert all(abs(place - 10_000 * (i + 1)) < 300 for i, place in enumerate(places))

    @given(st.lists(st.tuples(TEXTS, TEXTS), max_size=50))
    def test_bytes_come_back(self, rows: list[Any]) -> None:
        sketch = TupleSketch(2)
        sketch.update(frame_of(rows, 2))
        back = TupleSketch.from_bytes(sketch.to_bytes())
        assert back.count == sketch.count == len(rows)
        assert back.to_bytes() == sketch.to_bytes()

    def test_bytes_begin_as_datasketches_do(self) -> None:
        sketch = TupleSketch(1)
        sketch.update(frame_of([("p0",)] * 2000, 1))
        recorded = "02 03 08 08 00 10 00 00 d0 07 00 00 00 00 00 00 01 00 00 00 06 00 00 00 02 00 00 00 70 30"
        assert sketch.to_bytes().hex(" ").startswith(recorded)

    def test_what_is_no_sketch_is_refused(self) -> None:
        for data in (b"", b"\x02\x03\x08\x08\x00\x01\x00\x00", TupleSketch(1).to_bytes()[:4]):
            with pytest.raises(DruidException):
                TupleSketch.from_bytes(data)

    def test_max_rows_is_kept(self) -> None:
        sketch = TupleSketch(1)
        sketch.update(frame_of([(f"{i:04d}",) for i in range(1000)], 1))
        assert sketch.even_boundaries(target_rows=None, max_rows=300).num_buckets == 4

    def test_few_values_need_no_more_than_their_own(self) -> None:
        sketch = TupleSketch(1)
        sketch.update(frame_of([("a",), ("b",)] * 500, 1))
        assert sketch.even_boundaries(target_rows=10, max_rows=None).num_buckets <= 2
        assert K == 4096


class TestCardinality:
    @pytest.mark.parametrize("name", ["hll4_5", "hll4_100", "hll4_5000", "hll6_5000", "hll8_5000"])
    def test_datasketches_bytes_hold_the_same_registers(self, name: str) -> None:
        theirs = CardinalitySketch.from_bytes(base64.b64decode(json.loads(DATASKETCHES.read_text())[name]))
        ours = CardinalitySketch()
        ours.update(ByteStrings.of(pl.Series([f"x{i}" for i in range(int(name.partition("_")[2]))])))
        assert (theirs.registers == ours.registers).all()

    @pytest.mark.parametrize("count", [0, 3, 500, 20_000])
    def test_estimates(self, count: int) -> None:
        sketch = CardinalitySketch()
        for part in np.array_split(np.arange(count), 3):
            one = CardinalitySketch()
            one.update(ByteStrings.of(pl.Series([f"row {i}" for i in part.tolist()], dtype=pl.String)))
            sketch.merge(CardinalitySketch.from_bytes(one.to_bytes()))
        assert abs(sketch.estimate() - count) <= 0.06 * count + 1

    def test_what_is_no_sketch_is_refused(self) -> None:
        for data in (b"", b"\x0a\x01\x07\x0c\x00\x00\x00\x02"):
            with pytest.raises(DruidException):
                CardinalitySketch.from_bytes(data)


class TestSeenRows:
    @given(st.lists(st.lists(st.integers(0, 40), max_size=20), max_size=6), st.sampled_from([0, 5, 1000]))
    def test_each_is_new_once(self, batches: list[list[int]], exact_limit: int) -> None:
        seen = SeenRows(exact_limit=exact_limit, num_bits=1 << 20)
        known: set[int] = set()
        for values in batches:
            hashes = np.array(values, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            found = seen.are_new(hashes).tolist()
            for value, is_new in zip(values, found, strict=True):
                assert is_new == (value not in known)
                known.add(value)
