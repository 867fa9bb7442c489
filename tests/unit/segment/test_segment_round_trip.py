"""What is written is what is read, for all kinds of columns and at the edges of the format."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nemeton.segment import (
    DecodedColumnCache,
    DoubleData,
    FloatData,
    IndexSpec,
    LongData,
    MultiStringData,
    QueryableIndex,
    SegmentIndexMetadata,
    StringData,
    write_segment,
)
from nemeton.segment.java_order import java_sort_key
from nemeton.time import Interval

DAY = Interval(0, 86_400_000)
SPECS = [
    IndexSpec(),
    IndexSpec(dimension_compression="uncompressed", metric_compression="none"),
    IndexSpec(dimension_compression="zstd", metric_compression="uncompressed", long_encoding="auto"),
    IndexSpec(metric_compression="none", long_encoding="auto"),
]
specs = st.sampled_from(SPECS)
many = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
_numbers = itertools.count()


@pytest.fixture
def round_trip(tmp_path):
    """Write columns after a `__time` of their length, open the segment; all of it is closed at the end."""
    opened = []

    def write_and_open(*columns, spec=None, metrics=(), metadata=None, cache=None, interval=DAY):
        rows = columns[0].num_rows
        folder = tmp_path / str(next(_numbers))
        write_segment(
            folder,
            interval=interval,
            columns=[LongData("__time", np.arange(rows)), *columns],
            dimensions=[c.name for c in columns if c.name not in metrics],
            metrics=metrics,
            metadata=metadata,
            index_spec=spec,
        )
        opened.append(QueryableIndex.open(folder, cache or DecodedColumnCache()))
        opened[-1].check()
        return opened[-1]

    yield write_and_open
    for index in opened:
        index.close()


def strings_of(column):
    return column.lookup_many(column.codes(0, column.num_rows)).tolist()


def lists_of(column):
    offsets, codes = column.offsets_codes(0, column.num_rows)
    values = column.lookup_many(codes).tolist()
    return [values[a:b] for a, b in itertools.pairwise(offsets.tolist())]


def encode(values):
    """A dictionary of the values in Java's order, and their codes."""
    dictionary = sorted(set(values) - {None}, key=java_sort_key)
    if None in values:
        dictionary = [None, *dictionary]
    code = {v: i for i, v in enumerate(dictionary)}
    return dictionary, np.array([code[v] for v in values], np.int64)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@many
@given(values=st.lists(st.none() | text, min_size=1, max_size=200), spec=specs, has_bitmaps=st.booleans())
def test_strings(round_trip, values, spec, has_bitmaps):
    dictionary, codes = encode(values)
    column = round_trip(StringData("s", dictionary, codes, has_bitmaps), spec=spec).column("s")
    assert strings_of(column) == values
    assert column.values_list() == dictionary
    assert column.has_nulls == (None in values)
    assert not column.has_multiple_values
    for code, value in enumerate(dictionary):
        assert list(column.bitmap(code)) == [i for i, v in enumerate(values) if v == value]
        assert column.lookup(code) == value
        assert column.index_of(value) == code


@many
@given(
    rows=st.lists(st.lists(st.none() | text, max_size=4), min_size=1, max_size=60),
    spec=specs,
    has_bitmaps=st.booleans(),
)
def test_lists_of_strings(round_trip, rows, spec, has_bitmaps):
    dictionary, codes = encode([v for row in rows for v in row])
    offsets = np.cumsum([0, *map(len, rows)])
    index = round_trip(MultiStringData("m", dictionary or ["x"], offsets, codes, has_bitmaps), spec=spec)
    column = index.column("m")
    if all(v is None for row in rows for v in row) and not column.has_multiple_values:
        assert set(strings_of(column)) == {None}  # a column without any value is not stored
        return
    assert lists_of(column) == rows
    assert column.has_nulls == any(row == [] or None in row for row in rows)
    for code, value in enumerate(column.values_list()):
        wanted = [i for i, row in enumerate(rows) if value in row or (value is None and not row)]
        assert list(column.bitmap(code)) == wanted


@many
@given(
    values=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=300)
    | st.lists(st.none() | st.integers(-3, 300), min_size=1, max_size=600),
    spec=specs,
)
def test_longs(round_trip, values, spec):
    check_numbers(round_trip, LongData, np.int64, values, spec)


@many
@given(values=st.lists(st.none() | st.floats(allow_nan=True), min_size=1, max_size=200), spec=specs)
def test_doubles(round_trip, values, spec):
    check_numbers(round_trip, DoubleData, np.float64, values, spec)


@many
@given(values=st.lists(st.none() | st.floats(width=32), min_size=1, max_size=200), spec=specs)
def test_floats(round_trip, values, spec):
    check_numbers(round_trip, FloatData, np.float32, values, spec)


def check_numbers(round_trip, kind, dtype, values, spec):
    nulls = np.array([v is None for v in values])
    filled = np.array([7 if v is None else v for v in values], dtype)
    column = round_trip(kind("n", filled, nulls), spec=spec, metrics=["n"]).column("n")
    found = column.values(0, len(values))
    assert found.dtype == dtype
    assert found.tobytes() == np.where(nulls, dtype(0), filled).tobytes()
    assert column.has_nulls == nulls.any()
    mask = column.nulls(0, len(values))
    assert mask is None if not nulls.any() else (mask == nulls).all()


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("rows", [8191, 8192, 8193, 16384, 65535, 65536, 65537, 131073])
def test_block_boundaries(round_trip, rows, spec):
    rng = np.random.default_rng(rows)
    codes = rng.integers(0, 200, rows)
    longs, doubles = rng.integers(0, 1 << 40, rows), rng.normal(size=rows)
    offsets = np.arange(rows + 1)
    dictionary = [f"{i:03d}" for i in range(200)]
    index = round_trip(
        StringData("s", dictionary, codes),
        MultiStringData("m", dictionary, offsets, codes),
        LongData("l", longs),
        DoubleData("d", doubles),
        FloatData("f", doubles.astype(np.float32)),
        spec=spec,
    )
    for start, stop in [(0, rows), (8190, 8191), (8000, 8191), (rows - 1, rows), (5, 5), (rows, rows)]:
        assert (index.column("s").codes(start, stop) == codes[start:stop]).all()
        assert (index.column("l").values(start, stop) == longs[start:stop]).all()
        assert (index.column("d").values(start, stop) == doubles[start:stop]).all()
        assert (index.column("f").values(start, stop) == doubles[start:stop].astype(np.float32)).all()
        found, values = index.column("m").offsets_codes(start, stop)
        assert (values == codes[start:stop]).all()
        assert found.tolist() == list(range(stop - start + 1))


@pytest.mark.parametrize("spec", SPECS[:3])
@pytest.mark.parametrize("cardinality", [1, 2, 255, 256, 257, 65535, 65536, 65537])
def test_cardinality_boundaries(round_trip, cardinality, spec):
    rows = max(cardinality, 1000) + 500
    codes = np.random.default_rng(1).permutation(np.resize(np.arange(cardinality), rows))
    dictionary = [f"{i:05x}" for i in range(cardinality)]
    column = round_trip(StringData("s", dictionary, codes), spec=spec).column("s")
    assert column.cardinality == cardinality
    assert column.codes(0, rows).dtype.itemsize in (1, 2, 4)
    assert (column.codes(0, rows) == codes).all()
    assert column.values_list() == dictionary
    for code in {0, cardinality // 2, cardinality - 1}:
        assert list(column.bitmap(code)) == np.flatnonzero(codes == code).tolist()
    assert column.index_of("fffff") == -(cardinality + 1)
    assert column.index_of("") == -1


def test_three_byte_codes(round_trip):
    cardinality = 1 << 16
    codes = np.arange(cardinality)[::-1]
    column = round_trip(StringData("s", pa.array([f"{i:05x}" for i in range(cardinality)]), codes)).column("s")
    assert (column.codes(70, 5000) == codes[70:5000]).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 56, 63])
def test_packed_longs_of_all_widths(round_trip, bits):
    values = np.random.default_rng(bits).integers(0, 1 << bits, 70_000, dtype=np.uint64).astype(np.int64) - 3
    for spec in SPECS[2:]:
        column = round_trip(LongData("l", values), spec=spec).column("l")
        assert (column.values(0, 70_000) == values).all()
        assert (column.values(33_000, 33_007) == values[33_000:33_007]).all()


def test_a_column_of_nulls_only(round_trip):
    rows = 300
    nothing = np.ones(rows, bool)
    index = round_trip(
        StringData("s", [None], np.zeros(rows, int)),
        MultiStringData("m", [], np.zeros(rows + 1, int), np.zeros(0, int)),
        LongData("l", np.arange(rows), nothing),
        DoubleData("d", np.ones(rows), nothing),
    )
    assert index.dimensions == ["s", "m", "l", "d"]
    for name in ("s", "m"):
        assert strings_of(index.column(name)) == [None] * rows
        assert len(index.column(name).bitmap(0)) == rows
        assert index.column(name).index_of("x") == -2
    for name in ("l", "d"):
        assert index.column(name).nulls(0, rows).all()
        assert not index.column(name).values(0, rows).any()


def test_a_segment_without_rows(round_trip):
    index = round_trip(StringData("s", [None], np.zeros(0, int)), LongData("l", np.zeros(0, int)))
    assert index.num_rows == 0
    assert len(index.column("s").codes(0, 0)) == len(index.column("l").values(0, 0)) == 0


def test_bitmaps_of_every_shape(round_trip):
    """Runs, arrays, bit sets, several containers, values without rows: all come back, whatever form they take."""
    rows = 400_000
    rng = np.random.default_rng(5)
    codes = np.full(rows, 9, np.int64)
    codes[:70_000] = 0  # one run over two containers
    codes[70_000:70_005] = 1  # one run in one container
    codes[80_000:200_000:2] = 2  # bit sets
    codes[rng.choice(np.arange(200_001, 400_000), 3000, replace=False)] = 3  # arrays in several containers
    codes[[100_001, 399_999]] = 4  # an array in each of two
    codes[300_000:300_100] = 5
    codes[300_200:300_300] = 5  # two runs
    codes[399_000] = 6  # a single row; 7 and 8 have none
    column = round_trip(StringData("s", list("abcdefghij"), codes)).column("s")
    for code in range(10):
        assert list(column.bitmap(code)) == np.flatnonzero(codes == code).tolist()


def test_bitmaps_are_built_in_chunks(round_trip, monkeypatch):
    monkeypatch.setattr("nemeton.segment.encode_bitmaps._CHUNK_ROWS", 100)
    codes = np.random.default_rng(3).integers(0, 300, 5000)
    codes[:500] = 17
    column = round_trip(StringData("s", [f"{i:03d}" for i in range(300)], codes)).column("s")
    for code in range(300):
        assert list(column.bitmap(code)) == np.flatnonzero(codes == code).tolist()


def test_strings_sort_as_in_java(round_trip):
    values = ["\uffee", "\U0001f600", "z", "\ue000", "\ud7ff", "\U0010ffff"]
    dictionary, codes = encode(values)
    assert dictionary == ["z", "\ud7ff", "\U0001f600", "\U0010ffff", "\ue000", "\uffee"]
    column = round_trip(StringData("s", dictionary, codes)).column("s")
    assert strings_of(column) == values
    assert [column.index_of(v) for v in dictionary] == list(range(6))
    assert column.index_of("\U0001f601") == -4


def test_columns_beyond_the_cache_are_read_by_range(round_trip):
    codes = np.random.default_rng(0).integers(0, 100, 200_000)
    cache = DecodedColumnCache(1000)
    index = round_trip(StringData("s", [f"{i:02d}" for i in range(100)], codes), LongData("l", codes), cache=cache)
    assert (index.column("s").codes(70_000, 140_000) == codes[70_000:140_000]).all()
    assert (index.column("l").values(70_000, 140_000) == codes[70_000:140_000]).all()
    assert cache.size_bytes <= 1000


def test_what_is_said_about_the_segment(round_trip):
    metadata = SegmentIndexMetadata(
        aggregators=[{"type": "longSum", "name": "n", "fieldName": "n"}], rollup=True, query_granularity="HOUR"
    )
    index = round_trip(
        LongData("n", np.arange(3)), StringData("s", ["x"], np.zeros(3, int)), metrics=["n"], metadata=metadata
    )
    assert index.metadata == metadata
    assert index.metrics == ["n"]
    assert index.dimensions == ["s"]
    assert index.column_names == ["__time", "s", "n"]
    assert index.interval == DAY
    assert index.column("other") is None
    assert index.rows_of(Interval(1, 2)) == (1, 2)
