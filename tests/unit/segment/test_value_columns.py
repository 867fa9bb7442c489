"""Auto columns, arrays, documents, complex values and pairs: what is written is what is read, for every indexSpec."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.json import smile
from nemeton.model import ColumnType
from nemeton.segment import (
    AutoData,
    ComplexData,
    DocumentData,
    IndexSpec,
    LongData,
    PairData,
    QueryableIndex,
    StringData,
    TypedValues,
    write_segment,
)
from nemeton.segment.columns import NumericColumn, StringColumn
from nemeton.segment.java_order import java_sort_key
from nemeton.segment.object_columns import ArrayColumn, NestedColumn
from nemeton.segment.shredder import shred
from nemeton.segment.typed_columns import documents_of, typed_values_of
from nemeton.segment.typed_objects import coerced, typed_values
from nemeton.segment.value_types import TypeSet
from nemeton.time import Interval

FRONT_CODED = {"type": "frontCoded", "bucketSize": 4, "formatVersion": 1}
SPECS = [
    IndexSpec(),
    IndexSpec(bitmap={"type": "concise"}, string_dictionary_encoding=FRONT_CODED, complex_metric_compression="lz4"),
    IndexSpec(dimension_compression="uncompressed", json_compression="zstd", long_encoding="auto"),
    IndexSpec(
        dimension_compression="lzf",
        metric_compression="lzf",
        json_compression="lzf",
        string_dictionary_encoding={"type": "frontCoded", "bucketSize": 16, "formatVersion": 0},
    ),
    IndexSpec(dimension_compression="zstd", complex_metric_compression="uncompressed"),
]
specs = st.sampled_from(SPECS)
many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_numbers = itertools.count()

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
longs = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1))
doubles = st.floats(allow_nan=False)
scalars = st.one_of(texts, longs, doubles)
arrays = st.one_of(
    st.lists(st.one_of(st.none(), texts), max_size=3),
    st.lists(st.one_of(st.none(), longs), max_size=3),
    st.lists(st.one_of(st.none(), doubles), max_size=3),
)
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), texts, longs, doubles),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@pytest.fixture
def round_trip(tmp_path):
    """Write one column after `__time`, open the segment; all of it is closed at the end."""
    opened = []

    def write_and_open(column, spec=None):
        folder = tmp_path / str(next(_numbers))
        write_segment(
            folder,
            interval=Interval(0, 86_400_000),
            columns=[LongData("__time", np.arange(column.num_rows)), column],
            dimensions=[column.name],
            metrics=[],
            index_spec=spec,
        )
        opened.append(QueryableIndex.open(folder))
        opened[-1].check()
        return opened[-1].column(column.name)

    yield write_and_open
    for index in opened:
        index.close()


def values_of(column):
    count = column.num_rows
    if isinstance(column, StringColumn):
        return column.lookup_many(column.codes(0, count)).tolist()
    if isinstance(column, NumericColumn):
        nulls = column.nulls(0, count)
        found = column.values(0, count).tolist()
        return [None if nulls is not None and nulls[i] else value for i, value in enumerate(found)]
    return column.objects(0, count).tolist()


def same(one, other):
    """Equal, also in what Python takes for equal: the kinds of numbers, and the two zeros."""
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, float) and isinstance(other, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return type(one) is type(other) and one == other


@many
@given(st.lists(st.one_of(st.none(), scalars, arrays), min_size=1, max_size=12), specs)
def test_values_of_several_types_come_back(round_trip, values, spec):
    column = round_trip(AutoData("v", typed_values(values)), spec)
    types = TypeSet.of(typed_values(values))
    expected = values
    if types.single in (16, 32, 64):  # of one array type: its elements are of that type
        expected = [None if value is None else coerced(value) for value in values]
    assert all(map(same, values_of(column), expected)), (values_of(column), expected)
    again = typed_values_of(column)
    assert all(map(same, values_of(round_trip(AutoData("v", again), spec)), expected))


@many
@given(st.sampled_from([texts, longs, doubles]).flatmap(lambda one: st.lists(st.one_of(st.none(), one), min_size=1)))
def test_values_of_one_type_are_a_column_of_that_type(round_trip, values):
    column = round_trip(AutoData("v", typed_values(values)))
    kinds = {type(value) for value in values} - {type(None)}
    assert isinstance(column, NumericColumn if kinds & {int, float} else StringColumn)
    assert column.is_auto
    assert all(map(same, values_of(column), values))


@many
@given(st.lists(documents, min_size=1, max_size=8), specs)
def test_documents_come_back_whole(round_trip, found, spec):
    distinct = sorted({smile.dumps(document) for document in found if document is not None})
    places = {blob: place for place, blob in enumerate(distinct, 1)}
    codes = np.array([0 if document is None else places[smile.dumps(document)] for document in found])
    column = round_trip(DocumentData("d", pa.array(distinct, pa.large_binary()), codes), spec)
    assert isinstance(column, NestedColumn)
    assert all(map(same, values_of(column), found))
    blobs, again = documents_of(column)
    assert [None if code == 0 else smile.loads(blobs[int(code) - 1].as_py()) for code in again] == found


def test_fields_of_documents_are_their_leaves():
    found = [
        {"a": 1, "b": {"c": "x"}, "e": []},
        {"a": 2.5, "b": {"c d": True}, "f.g": [1, None]},
        [1, {"a": [{"b": None}, {"b": 7}]}],
        "root",
    ]
    fields = shred(pa.array([smile.dumps(document) for document in found], pa.large_binary()))
    assert set(fields) == {"$.a", "$.b.c", "$.b.c d", "$['f.g']", "$.e", "$", "$[0]", "$[1].a[1].b"}
    assert TypeSet.of(fields["$.a"]).byte == 12
    assert fields["$.b.c"].ids.tolist() == [1, 0, 0, 0]
    assert TypeSet.of(fields["$.b.c d"]).single == 4  # a boolean is a long
    assert TypeSet.of(fields["$.e"]).field_byte == 32  # nothing is known of an empty array's elements


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([1, None, True], [1, None, 1]),
        ([1, 2.5], [1.0, 2.5]),
        ([1.5, "x", True, 3], ["1.5", "x", "true", "3"]),
        ([2**70], [str(2**70)]),
        ([2**70, 1], [float(2**70), 1.0]),
        ([1, 2**70], ["1", str(2**70)]),
        ([None], [None]),
    ],
)
def test_arrays_of_several_types_become_one_as_in_druid(items, expected):
    assert all(map(same, coerced(items), expected))


@pytest.mark.parametrize("kind", ["STRING", "LONG", "DOUBLE", "ARRAY<LONG>"])
def test_a_type_that_was_asked_for_is_kept_without_values(round_trip, kind):
    column = round_trip(AutoData("v", TypedValues.nulls(3), ColumnType.parse(kind)))
    assert str(column.type) == kind
    assert values_of(column) == [None] * 3


def test_values_of_another_type_than_asked_for_are_refused(round_trip):
    with pytest.raises(DruidException, match=r"\[v\].*no LONG"):
        round_trip(AutoData("v", typed_values(["x"]), ColumnType.LONG))


def test_dictionaries_are_sorted_and_arrays_share_beginnings(round_trip):
    values = [[i, i + 1, j] for i in range(9) for j in range(9)] + [[], [1], "\uffee", "\U0001f600", 0.0, -0.0]
    column = round_trip(AutoData("v", typed_values(values)))
    assert isinstance(column, ArrayColumn)
    assert values_of(column) == values
    strings = column.dictionary.strings.to_list()
    assert strings == [None, *sorted(strings[1:], key=java_sort_key)]
    assert column.dictionary.doubles.to_list() == [-0.0, 0.0]
    arrays_ = column.dictionary.arrays()
    assert arrays_ == sorted(arrays_)


@many
@given(st.lists(st.one_of(st.none(), st.binary(max_size=40)), min_size=1, max_size=20), specs)
def test_complex_values_come_back(round_trip, blobs, spec):
    column = round_trip(ComplexData("c", "thetaSketch", pa.array(blobs, pa.large_binary())), spec)
    compressed = spec.complex_metric_compression is not None
    expected = [b"" if blob is None and compressed else blob for blob in blobs]
    assert values_of(column) == expected


times = st.integers(-(2**62), 2**62)


@many
@given(
    st.sampled_from([("Long", longs), ("Double", doubles), ("Float", st.floats(width=32, allow_nan=False))]).flatmap(
        lambda kind: st.tuples(
            st.just(kind[0]),
            st.lists(st.one_of(st.none(), st.tuples(times, st.one_of(st.none(), kind[1]))), min_size=1, max_size=20),
        )
    )
)
def test_pairs_of_numbers_come_back(round_trip, given_):
    kind, pairs = given_
    column = round_trip(PairData("p", f"serializablePairLong{kind}", pairs))
    assert values_of(column) == pairs


@many
@given(st.lists(st.one_of(st.none(), st.tuples(times, st.one_of(st.none(), texts.filter(bool)))), min_size=1))
def test_pairs_of_strings_come_back(round_trip, pairs):
    assert values_of(round_trip(PairData("p", "serializablePairLongString", pairs))) == pairs


@many
@given(st.sets(texts, min_size=1, max_size=60), st.booleans(), st.sampled_from([1, 2, 4, 128]), st.sampled_from([0, 1]))
def test_front_coded_dictionaries_come_back(round_trip, values, has_null, bucket, version):
    dictionary = [*([None] if has_null else []), *sorted(values, key=java_sort_key)]
    form = {"type": "frontCoded", "bucketSize": bucket, "formatVersion": version}
    column = round_trip(
        StringData("s", dictionary, np.arange(len(dictionary))), IndexSpec(string_dictionary_encoding=form)
    )
    assert values_of(column) == dictionary
    assert column.dictionary.to_list() == dictionary


@many
@given(st.lists(st.integers(0, 400), min_size=1, max_size=60), st.integers(1, 3))
def test_concise_bitmaps_hold_the_rows_of_each_value(round_trip, lengths, cardinality):
    codes = np.repeat(np.arange(len(lengths)) % cardinality, lengths)
    if not len(codes):
        codes = np.zeros(1, np.int64)
    column = round_trip(
        StringData("s", [f"v{i}" for i in range(cardinality)], codes), IndexSpec(bitmap={"type": "concise"})
    )
    for code in range(cardinality):
        assert list(column.bitmap(code)) == np.flatnonzero(codes == code).tolist()
