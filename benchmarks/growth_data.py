"""Data sources for `benchmarks.growth`, written by nemeton's own writer: many small segments, and wide groupings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from nemeton.ingest.index.dictionaries import EncodedStrings, sort_dictionary
from nemeton.segment import ColumnData, DoubleData, LongData, StringData, write_segment
from nemeton.time import Interval, parse_datetime

SEGMENT_COUNTS = (7, 100, 1_000, 10_000)
SMALL_ROWS = 700_000
"""Of each data source of small segments, however many they are."""

CARDINALITIES = (10, 1_000, 100_000, 1_000_000)
WIDE_ROWS = 4_000_000
_WIDE_SEGMENTS = 8
_VERSION = "2026-01-01T00:00:00.000Z"
_START = parse_datetime("2000-01-01T00:00:00.000Z")
_HOUR_MS = 3_600_000


def small(count: int) -> str:
    """The name of the data source of so many segments."""
    return f"small_{count}"


def make(folder: Path) -> Path:
    """Write all data sources below `folder` unless they are there; a folder for `nemeton tools insert-segments`."""
    done = folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        for count in SEGMENT_COUNTS:
            print(f"  writing {count:,} segments of {SMALL_ROWS // count:,} rows", flush=True)
            for number in range(count):
                _small_segment(folder, small(count), number, SMALL_ROWS // count)
        print(f"  writing {_WIDE_SEGMENTS} segments of {WIDE_ROWS // _WIDE_SEGMENTS:,} rows", flush=True)
        for number in range(_WIDE_SEGMENTS):
            _wide_segment(folder, number, WIDE_ROWS // _WIDE_SEGMENTS)
        done.touch()
    return folder


def _small_segment(folder: Path, source: str, number: int, rows: int) -> None:
    random = np.random.default_rng(number)
    columns = [
        strings_column("color", [f"color {i}" for i in range(10)], random.integers(0, 10, rows)),
        strings_column("city", [f"city {i:03}" for i in range(100)], random.integers(0, 100, rows)),
        LongData("quantity", random.integers(1, 50, rows)),
        DoubleData("price", random.random(rows) * 1000),
    ]
    write(folder, source, number, rows, columns)


def _wide_segment(folder: Path, number: int, rows: int) -> None:
    random = np.random.default_rng(number)
    columns: list[ColumnData] = [
        strings_column(f"of_{each}", [f"key {i:07}" for i in range(each)], random.integers(0, each, rows))
        for each in CARDINALITIES
    ]
    write(folder, "wide", number, rows, [*columns, LongData("quantity", random.integers(1, 50, rows))])


def strings_column(name: str, values: list[str], codes: np.ndarray[Any, Any]) -> StringData:
    """A column of those of the values that occur."""
    import pyarrow as pa

    used, narrow = np.unique(codes, return_inverse=True)
    encoded = EncodedStrings(pa.array([values[i] for i in used.tolist()], pa.large_string()), narrow.astype(np.int32))
    done = sort_dictionary(encoded)
    return StringData(name, done.dictionary, done.codes)


def write(folder: Path, source: str, number: int, rows: int, columns: list[Any]) -> None:
    """One segment, of an hour of its own, with its descriptor."""
    interval = Interval(_START + number * _HOUR_MS, _START + (number + 1) * _HOUR_MS)
    time = LongData("__time", interval.start + np.arange(rows, dtype=np.int64) * _HOUR_MS // rows)
    dimensions = [column.name for column in columns]
    where = folder / source / f"{number:05}"
    size = write_segment(
        where / "index", interval=interval, columns=[time, *columns], dimensions=dimensions, metrics=[]
    )
    descriptor = {
        "dataSource": source,
        "interval": str(interval),
        "version": _VERSION,
        "loadSpec": {"type": "local", "path": f"${{SEGMENT_DIR}}/{source}/{number:05}/index"},
        "dimensions": ",".join(dimensions),
        "metrics": "",
        "shardSpec": {"type": "numbered", "partitionNum": 0, "partitions": 1},
        "binaryVersion": 9,
        "size": size,
        "identifier": f"{source}_{str(interval).replace('/', '_')}_{_VERSION}",
    }
    (where / "descriptor.json").write_text(json.dumps(descriptor))
