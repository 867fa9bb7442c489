"""Segments that Apache Druid 33.0.0 wrote read back as what went into them, and as Druid's recorded answers say."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from nemeton.segment.columns import NumericColumn, StringColumn
from nemeton.segment.object_columns import ComplexColumn
from nemeton.segment.rows import json_rows, json_values

GOLDEN = Path(__file__).parents[2] / "golden"
SOURCES = sorted(p.name for p in (GOLDEN / "segments").iterdir())


def millis(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def all_rows(folders, open_index, names):
    return [row for folder in folders for row in json_rows(open_index(folder), names)]


def as_set(rows):
    return Counter(json.dumps(row, sort_keys=True) for row in rows)


@pytest.mark.parametrize("source", SOURCES)
def test_every_column_is_whole(source, golden_segments, open_index):
    for folder in golden_segments[source]:
        index = open_index(folder)
        index.check()
        times = index.column("__time").values(0, index.num_rows)
        assert (np.diff(times) >= 0).all()
        assert index.interval.start <= times[0] <= times[-1] < index.interval.end
        for name in index.column_names:
            column = index.column(name)
            if isinstance(column, StringColumn):
                check_strings(column)
            elif isinstance(column, NumericColumn):
                nulls = column.nulls(0, index.num_rows)
                assert nulls is None or not column.values(0, index.num_rows)[nulls].any()


def check_strings(column: StringColumn):
    values = column.values_list()
    assert len(values) == column.cardinality == len(set(values))
    assert values == sorted(values, key=lambda v: b"" if v is None else b"\0" + v.encode("utf-16-be"))
    for code in range(0, len(values), max(1, len(values) // 25)):
        assert column.lookup(code) == values[code]
        assert column.index_of(values[code]) == code
        assert column.bitmap(code) == column._scan_bitmap(code)
        if values[code] is not None:
            assert column.index_of(values[code] + "\0") == -(code + 1) - 1


def test_flights_hold_the_rows_of_their_source(golden_segments, open_index):
    index = open_index(golden_segments["flights"][0])
    names = index.column_names
    doubles = ("dep_delay", "arr_delay", "air_time", "distance")
    expected = []
    with gzip.open(GOLDEN / "data/flights.csv.gz", "rt", newline="") as f:
        for row in csv.DictReader(f):
            time = millis(row.pop("time_hour").rstrip("Z"))
            if not index.interval.start <= time < index.interval.end:
                continue
            typed = {n: value_of(n, row[n], doubles) for n in names[1:]}
            expected.append({"__time": time, **typed})
    assert len(expected) == index.num_rows > 20_000
    assert as_set(json_rows(index, names)) == as_set(expected)


def value_of(name, text, doubles):
    if text in ("", "NA"):
        return None
    if name in ("carrier", "tailnum", "origin", "dest"):
        return text
    return float(text) if name in doubles else int(text)


@pytest.mark.parametrize(("source", "delimiter"), [("mixed_csv", "|"), ("mixed_tsv", "~")])
def test_delimited_sources_hold_the_rows_of_their_files(source, delimiter, golden_segments, open_index):
    names = ["__time", "id", "seq", "low", "uni", "mv", "l", "lx", "f", "d", "bools", "ip"]
    names = [n for n in names if n in open_index(golden_segments[source][0]).column_names]
    rows = all_rows(golden_segments[source], open_index, names)
    expected = {row["id"]: row for row in delimited_rows(source, delimiter)}
    assert len(rows) == len(expected)
    for row in rows:
        source_row = expected[row["id"]]
        for name in names:
            wanted = source_row[name]
            if isinstance(wanted, list):  # the order within a row is the dictionary's, or the file's
                assert sorted(row[name], key=str) == sorted(wanted, key=str)
            elif name == "f" and wanted is not None:
                assert np.float32(row[name]) == np.float32(wanted)
            else:
                assert row[name] == wanted, (row["id"], name)


def delimited_rows(source, delimiter):
    header = ["when", "id", "seq", "low", "sn", "uni", "mv", "mvn", "nums", "l", "lx", "f", "d", "bools", "ip"]
    ending, separator = ("csv", ",") if source == "mixed_csv" else ("tsv", "\t")
    with gzip.open(GOLDEN / f"data/mixed_delim.{ending}.gz", "rt", newline="") as f:
        lines = list(csv.reader(f)) if ending == "csv" else [line.rstrip("\n").split(separator) for line in f]
    for line in lines[1:] if ending == "csv" else lines:
        row = {n: v or None for n, v in zip(header, line, strict=True)}
        row["__time"] = millis(row["when"]) if ending == "csv" else int(row["when"]) * 1000
        for name, kind in (("seq", int), ("l", int), ("lx", int), ("f", float), ("d", float)):
            row[name] = None if row[name] is None else kind(row[name])
        for name in ("uni", "mv"):  # the list delimiter splits every column
            if row[name] is not None and delimiter in row[name]:
                row[name] = row[name].split(delimiter)
        yield row


def recorded(name):
    records = json.loads((GOLDEN / "queries/native_scan.json").read_text())
    return next(r for r in records if r["name"] == f"native_scan/{name}")


def test_rows_are_those_of_a_recorded_scan(golden_segments, open_index):
    record = recorded("list")
    wanted_ids = set(record["request"]["filter"]["values"])
    events = [event for batch in record["response"] for event in batch["events"]]
    names = record["request"]["columns"]
    rows = [r for r in all_rows(golden_segments["mixed"], open_index, names) if r["id"] in wanted_ids]
    assert as_set(rows) == as_set(events)


def test_all_readable_columns_are_those_of_a_recorded_scan(golden_segments, open_index):
    record = recorded("all_columns_compacted")
    wanted_ids = set(record["request"]["filter"]["values"])
    events = {}
    for batch in record["response"]:
        for event in batch["events"]:
            row = dict(zip(batch["columns"], event, strict=True))
            events[row["id"]] = row
    assert set(events) == wanted_ids
    compared = 0
    for folder in golden_segments["mixed"]:
        index = open_index(folder)
        for row in json_rows(index, index.column_names):
            if row["id"] in wanted_ids:
                assert row == events[row["id"]]
                compared += len(row)
    assert compared == len(wanted_ids) * 28


def test_flights_are_those_of_a_recorded_scan(golden_segments, open_index):
    record = recorded("flights")
    events = [event for batch in record["response"] for event in batch["events"]]
    index = open_index(golden_segments["flights"][0])
    end = millis("2013-01-20")
    rows = [r for r in json_rows(index, index.column_names) if r["tailnum"] == "N14228" and r["__time"] < end]
    assert as_set(rows) == as_set(events)


@pytest.mark.parametrize(
    "variant", ["mixed_uncompressed", "mixed_zstd", "mixed_lzf", "mixed_concise", "mixed_longauto", "mixed_hashed"]
)
def test_variants_of_storage_hold_the_same_rows(variant, golden_segments, open_index):
    names = ["__time", "id", "seq", "low", "sn", "uni", "slong", "mv", "mvn", "nums", "l", "lx", "f", "d", "dx", "t2"]
    names = [n for n in names if n in open_index(golden_segments[variant][0]).column_names]
    wanted = [r for r in all_rows(golden_segments["mixed"], open_index, names) if r["id"].startswith("r")]
    assert as_set(all_rows(golden_segments[variant], open_index, names)) == as_set(wanted)


def test_arrays_and_documents_are_those_of_the_input(golden_segments, open_index):
    lines = (GOLDEN / "data/mixed_1.json").read_text().splitlines()
    given = {row["id"]: row for row in map(json.loads, lines)}
    names = ["id", "as", "al", "ad", "nest"]
    rows = [r for r in all_rows(golden_segments["mixed"], open_index, names) if r["id"] in given]
    assert len(rows) == len(given)
    for row in rows:
        wanted = given[row["id"]]
        assert (row["as"], row["al"], row["ad"]) == (wanted.get("as"), wanted.get("al"), wanted.get("ad")), row["id"]
        assert row["nest"] == wanted.get("nest")


@pytest.mark.parametrize(
    "variant", ["mixed_uncompressed", "mixed_zstd", "mixed_concise", "mixed_longauto", "mixed_hashed"]
)
def test_variants_of_storage_hold_the_same_objects(variant, golden_segments, open_index):
    names = ["id", "as", "al", "ad", "autom", "nest"]
    names = [n for n in names if n in open_index(golden_segments[variant][0]).column_names]
    assert len(names) > 1
    wanted = [r for r in all_rows(golden_segments["mixed"], open_index, names) if r["id"].startswith("r")]
    assert as_set(all_rows(golden_segments[variant], open_index, names)) == as_set(wanted)


def test_first_and_last_values_are_pairs_with_their_time(golden_segments, open_index):
    with gzip.open(GOLDEN / "data/flights.csv.gz", "rt", newline="") as f:
        flights = list(csv.DictReader(f))
    distances = {int(flight["distance"]) for flight in flights}
    tails = {flight["tailnum"] or None for flight in flights}
    index = open_index(golden_segments["flights_rollup_day"][0])
    for name, values in (("last_dist", distances), ("first_tail", tails), ("last_tail", tails)):
        pairs = [pair for pair in index.column(name).objects(0, index.num_rows) if pair is not None]
        assert pairs
        assert all(index.interval.start <= time < index.interval.end or value is None for time, value in pairs)
        assert {value for _, value in pairs} <= values
    row = next(json_rows(index, ["last_dist"]))
    assert row["last_dist"].keys() == {"lhs", "rhs"}


def test_complex_values_are_the_bytes_of_their_type(golden_segments, open_index):
    index = open_index(golden_segments["flights_rollup"][0])
    kinds = {str(c.type): c for c in map(index.column, index.column_names) if isinstance(c, ComplexColumn)}
    assert set(kinds) == {"COMPLEX<HLLSketch>", "COMPLEX<thetaSketch>", "COMPLEX<quantilesDoublesSketch>"}
    for column in kinds.values():
        blobs = column.objects(0, index.num_rows)
        assert {type(blob) for blob in blobs} <= {bytes, type(None)}
        assert any(blobs)
    assert json_values(index, "tail_hll", 0, 1)[0].startswith("Ag")


def test_metadata_is_what_druid_noted(golden_segments, open_index):
    metadata = open_index(golden_segments["flights_rollup"][0]).metadata
    assert metadata.rollup is True
    assert metadata.query_granularity == "HOUR"
    assert {"type": "longSum", "name": "cnt", "fieldName": "cnt"} in [
        {k: a.get(k) for k in ("type", "name", "fieldName")} for a in metadata.aggregators
    ]
    assert metadata.is_time_ordered


def test_metadata_comes_out_as_druid_wrote_it(golden_segments):
    from nemeton.segment.metadata import IndexFile, SegmentIndexMetadata
    from nemeton.segment.smoosh import SmooshReader

    for folders in golden_segments.values():
        smoosh = SmooshReader.open(folders[0])
        data = bytes(smoosh.file("metadata.drd"))
        assert json.loads(SegmentIndexMetadata.parse(data).encode()) == json.loads(data)
        index = IndexFile.parse(smoosh.file("index.drd"))
        if not index.is_concise:
            assert b"".join(index.encode())[-20:] == bytes(smoosh.file("index.drd"))[-20:]
