"""What the writer refuses, and what it leaves on disk."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from nemeton.common.errors import DruidException
from nemeton.segment import (
    DoubleData,
    IndexSpec,
    LongData,
    MultiStringData,
    QueryableIndex,
    SegmentIndexMetadata,
    StringData,
    write_segment,
)
from nemeton.segment.smoosh import SmooshReader, SmooshWriter
from nemeton.time import Interval

DAY = Interval(0, 86_400_000)


def write(folder, *columns, time=(1, 2, 3), **more):
    time_column = LongData("__time", np.array(time))
    names = [c.name for c in columns]
    return write_segment(folder, interval=DAY, columns=[time_column, *columns], dimensions=names, metrics=[], **more)


codes = np.array([0, 1, 0])


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (StringData("a,b", ["x", "y"], codes), "comma"),
        (StringData("c", ["y", "x"], codes), "not strictly ascending"),
        (StringData("c", ["x", "x"], codes), "not strictly ascending"),
        (StringData("c", ["\uffee", "\U0001f600"], codes), "not strictly ascending"),
        (StringData("c", ["x", None], codes), "null"),
        (StringData("c", [None, None], codes), "null"),
        (StringData("c", ["x"], codes), "codes from 0 to 1 for 1 values"),
        (StringData("c", ["x", "y"], codes - 1), "codes from -1"),
        (StringData("c", ["x", "y"], codes.astype(float)), "codes are float64"),
        (StringData("c", ["x", "\ud800"], codes), "not made of strings"),
        (StringData("c", [1, 2], codes), "not made of strings"),
        (StringData("c", ["x", "y"], codes[:2]), "2 rows, other columns have 3"),
        (MultiStringData("c", ["x", "y"], np.array([0, 2, 1, 3]), codes), "offsets"),
        (MultiStringData("c", ["x", "y"], np.array([0, 1, 2, 2]), codes), "offsets"),
        (LongData("c", np.array([1.5, 2, 3])), "float64 is given for a LONG column"),
        (LongData("c", np.array([1, 2, 3]), np.array([0, 1, 0])), "null mask"),
        (DoubleData("c", np.array(["1", "2", "3"])), "DOUBLE column"),
        (StringData("__time", ["x", "y"], codes), "longs without nulls"),
    ],
)
def test_data_that_cannot_be_written_is_refused(tmp_path, column, problem):
    with pytest.raises(DruidException, match=problem) as e:
        write(tmp_path / "s", column)
    assert e.value.category == "INVALID_INPUT"
    assert f"[{column.name}]" in e.value.message
    with pytest.raises(DruidException):
        QueryableIndex.open(tmp_path / "s")


@pytest.mark.parametrize(
    ("time", "problem"),
    [((3, 2, 1), "ascending order of time"), ((1, 2, 86_400_000), "outside of"), ((-1, 2, 3), "outside of")],
)
def test_time_must_fit(tmp_path, time, problem):
    with pytest.raises(DruidException, match=problem):
        write(tmp_path / "s", time=time)


def test_rows_in_another_order_need_not_ascend_by_time(tmp_path):
    ordering = [{"columnName": "s", "order": "ascending"}, {"columnName": "__time", "order": "ascending"}]
    write(
        tmp_path / "s",
        StringData("s", ["x", "y"], np.array([0, 0, 1])),
        time=(2, 3, 1),
        metadata=SegmentIndexMetadata(ordering=ordering),
    )
    assert not QueryableIndex.open(tmp_path / "s").is_time_ordered


def test_columns_and_names_must_match(tmp_path):
    columns = [LongData("__time", np.arange(3)), LongData("l", np.arange(3))]
    with pytest.raises(DruidException, match=r"\[x\].*never written"):
        write_segment(tmp_path / "a", interval=DAY, columns=columns, dimensions=["l", "x"], metrics=[])
    with pytest.raises(DruidException, match=r"\[l\].*neither a dimension nor a metric"):
        write_segment(tmp_path / "b", interval=DAY, columns=columns, dimensions=[], metrics=[])
    with pytest.raises(DruidException, match=r"\[l\].*two columns"):
        write_segment(tmp_path / "c", interval=DAY, columns=[*columns, columns[1]], dimensions=["l"], metrics=[])


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (IndexSpec(bitmap={"type": "fancy"}), "fancy"),
        (IndexSpec(string_dictionary_encoding={"type": "frontCoded", "bucketSize": 3}), "bucketSize \\[3\\]"),
        (IndexSpec(string_dictionary_encoding={"type": "frontCoded", "formatVersion": 2}), "formatVersion \\[2\\]"),
        (IndexSpec(string_dictionary_encoding={"type": "utf16"}), "stringDictionaryEncoding"),
        (IndexSpec(json_compression="none"), "jsonCompression"),
        (IndexSpec(complex_metric_compression="none"), "complexMetricCompression"),
        (IndexSpec(segment_loader={"keyColumns": ["a"]}), "segmentLoader"),
        (IndexSpec(dimension_compression="none"), "dimensionCompression"),
        (IndexSpec(metric_compression="gzip"), "Unknown compression \\[gzip\\] in \\[metricCompression\\]"),
        (IndexSpec(long_encoding="short"), "longEncoding"),
    ],
)
def test_index_specs_that_cannot_be_met_are_refused_by_name(tmp_path, spec, problem):
    with pytest.raises(DruidException, match=problem):
        write(tmp_path / "s", index_spec=spec)


def test_the_directory_is_druids(tmp_path):
    size = write(tmp_path / "s", StringData("s", ["x", "y"], codes))
    files = {f.name: f.read_bytes() for f in (tmp_path / "s").iterdir()}
    assert set(files) == {"version.bin", "meta.smoosh", "00000.smoosh", "factory.json"}
    assert size == sum(map(len, files.values()))
    assert files["version.bin"] == b"\0\0\0\x09"
    assert json.loads(files["factory.json"]) == {"type": "mMapSegmentFactory"}
    assert files["meta.smoosh"].startswith(b"v1,2147483647,1\n__time,0,0,")


def test_columns_may_come_one_by_one(tmp_path):
    seen = []

    def columns():
        for name in ("__time", "a", "b"):
            seen.append(name)
            yield LongData(name, np.arange(5))

    write_segment(tmp_path / "s", interval=DAY, columns=columns(), dimensions=["b", "a"], metrics=[])
    assert seen == ["__time", "a", "b"]
    assert QueryableIndex.open(tmp_path / "s").column_names == ["__time", "b", "a"]


def test_harder_compression_reads_the_same_and_is_smaller(tmp_path):
    values = np.random.default_rng(1).integers(0, 50, 100_000).astype(float)
    sizes = []
    for level in (0, 6):
        folder = tmp_path / str(level)
        sizes.append(write(folder, DoubleData("d", values), time=np.arange(100_000), lz4_level=level))
        assert (QueryableIndex.open(folder).column("d").values(0, 100_000) == values).all()
    assert sizes[1] < sizes[0] * 0.9


def test_dictionaries_may_be_arrow(tmp_path):
    whole = pa.array([None, "a", "b", "c", "d"])
    for number, dictionary in enumerate(
        [whole, whole.cast(pa.large_string()), pa.chunked_array([whole[:2], whole[2:]])]
    ):
        write(tmp_path / str(number), StringData("s", dictionary, np.array([0, 3, 4])))
        column = QueryableIndex.open(tmp_path / str(number)).column("s")
        assert column.values_list() == whole.to_pylist()
    write(tmp_path / "slice", StringData("s", whole[2:], np.array([0, 1, 2])))
    assert QueryableIndex.open(tmp_path / "slice").column("s").values_list() == ["b", "c", "d"]


def test_a_container_is_cut_into_chunks(tmp_path):
    writer = SmooshWriter(tmp_path, max_chunk_bytes=10)
    for name, data in (("b", b"12345"), ("a", b"1234"), ("c", b"67"), ("d", b"")):
        writer.add(name, [data])
    with pytest.raises(DruidException, match=r"\[e\] takes 11 bytes"):
        writer.add("e", [b"x" * 11])
    writer.finish()
    (tmp_path / "version.bin").write_bytes(b"\0\0\0\x09")
    lines = (tmp_path / "meta.smoosh").read_text().splitlines()
    assert lines == ["v1,10,2", "a,0,5,9", "b,0,0,5", "c,1,0,2", "d,1,2,2"]
    reader = SmooshReader.open(tmp_path)
    assert [bytes(reader.file(n)) for n in "abcd"] == [b"1234", b"12345", b"67", b""]
