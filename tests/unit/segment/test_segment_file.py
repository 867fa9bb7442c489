"""The public door: `nemeton.segment.open`, and the page of the manual about it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

import nemeton.segment
from nemeton.common.errors import DruidException

ROOT = Path(__file__).parents[3]
MIXED = next((ROOT / "tests/golden/segments/mixed").glob("*/0/index.zip"))
ROLLED_UP = next((ROOT / "tests/golden/segments/flights_rollup_day").glob("*/0/index.zip"))
FLIGHTS = ROOT / "tests/golden/segments/flights/2013-01-01T000000.000Z_2013-02-01T000000.000Z/0/index.zip"


def test_a_segment_as_a_table():
    with nemeton.segment.open(MIXED) as segment:
        table = segment.to_arrow()
        assert table.num_rows == segment.num_rows
        assert table.column_names == segment.columns
        assert table.schema == segment.schema
        assert segment.schema.field("__time").type == pa.timestamp("ms", "UTC")
        assert segment.schema.field("mv").type == pa.large_list(pa.large_string())
        assert segment.schema.field("f").type == pa.float32()
        assert segment.schema.field("autol").type == pa.int64()
        assert segment.schema.field("al").type == pa.large_list(pa.int64())
        assert segment.schema.field("nest").type == pa.large_string()
        assert segment.unsupported == {}
        first = table.column("__time")[0].as_py()
        assert segment.interval.start <= first.timestamp() * 1000 < segment.interval.end
        assert first.tzinfo is not None
        assert segment.metadata.rollup is False
    assert table.column("id").null_count == 0  # still there after the segment is closed
    table.validate(full=True)


def test_some_columns_and_batches():
    with nemeton.segment.open(MIXED) as segment:
        table = segment.to_arrow(["low", "mv", "l"])
        batches = list(segment.to_batches(["low", "mv", "l"], max_rows=100))
        assert [b.num_rows for b in batches[:-1]] == [100] * (len(batches) - 1)
        assert pa.Table.from_batches(batches) == table
        assert sum(b.num_rows for b in segment.to_batches()) == segment.num_rows


def test_rows_without_values_are_null():
    with nemeton.segment.open(MIXED) as segment:
        rows = segment.to_arrow(["mv"]).column("mv").to_pylist()
        assert None in rows
        assert [] not in rows


def test_a_column_that_is_not_there():
    with nemeton.segment.open(MIXED) as segment, pytest.raises(DruidException, match=r"no column \[nope\]"):
        segment.to_arrow(["nope"])


def test_arrays_documents_and_complex_values():
    with nemeton.segment.open(MIXED) as segment:
        table = segment.to_arrow(["al", "as", "nest", "autom"])
        table.validate(full=True)
        rows = table.to_pylist()
    assert any(row["al"] == [] for row in rows)
    assert any(None in (row["as"] or ()) for row in rows)
    assert any(json.loads(row["nest"])["a"]["b"] == -46 for row in rows if row["nest"] and "a" in row["nest"])
    assert {json.loads(row["autom"]).__class__ for row in rows if row["autom"] is not None} >= {int, str}
    with nemeton.segment.open(ROLLED_UP) as segment:
        kinds = segment.schema.types
        assert pa.large_binary() in kinds  # the bytes of hyperUnique
        assert segment.to_arrow(["dest_hu"]).column(0)[0].as_py()[:1] == b"\x01"


def test_polars_and_duckdb_take_it():
    with nemeton.segment.open(FLIGHTS) as segment:
        flights = segment.to_arrow(["carrier", "distance"])
    frame = pl.from_arrow(flights)
    counts = dict(frame.group_by("carrier").len().rows())
    assert sum(counts.values()) == len(frame) == 26_865
    assert dict(duckdb.sql("SELECT carrier, count(*) FROM flights GROUP BY 1").fetchall()) == counts


def test_a_folder_opens_too(tmp_path):
    with zipfile.ZipFile(FLIGHTS) as packed:
        packed.extractall(tmp_path)
    with nemeton.segment.open(str(tmp_path)) as segment:
        assert segment.num_rows == 26_865
        assert segment.dimensions[:2] == ["carrier", "tailnum"]
        assert segment.metrics == []


def test_what_is_unpacked_goes_when_the_segment_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with nemeton.segment.open(FLIGHTS):
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    with pytest.raises(DruidException, match="cannot be unzipped"):
        nemeton.segment.open(tmp_path / "bad.zip")
    assert [p.name for p in tmp_path.iterdir()] == ["bad.zip"]


def test_importing_the_room_imports_nothing_heavy():
    code = "import nemeton.segment, nemeton.storage.extension, sys; print([m for m in sys.modules if m in HEAVY])"
    heavy = "HEAVY = ('numpy', 'pyarrow', 'polars', 'numba', 'lz4', 'pyroaring'); "
    done = subprocess.run([sys.executable, "-c", heavy + code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_manual_page_works(tmp_path, monkeypatch, capsys):
    """Runs the Python blocks of docs/segments.md one after the other, in a folder that holds what they open."""
    text = (ROOT / "docs/segments.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 5
    monkeypatch.chdir(tmp_path)
    shutil.copy(FLIGHTS, tmp_path / "index.zip")
    segment = tmp_path / "var/druid/segments/flights/2013-01/v1/0/index"
    segment.mkdir(parents=True)
    with zipfile.ZipFile(FLIGHTS) as packed:
        packed.extractall(segment)
    scope: dict = {}
    for block in blocks:
        exec(compile(block, "docs/segments.md", "exec"), scope)
    assert "26865" in capsys.readouterr().out
