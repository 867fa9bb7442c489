"""``nemeton tools dump-segment``."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from nemeton.cli.dump_segment import dump_segment

SEGMENTS = Path(__file__).parents[2] / "golden/segments"
FLIGHTS = SEGMENTS / "flights/2013-01-01T000000.000Z_2013-02-01T000000.000Z/0/index.zip"
MIXED = next((SEGMENTS / "mixed").glob("*/0/index.zip"))


def run(*arguments):
    return CliRunner().invoke(dump_segment, [str(a) for a in arguments])


def rows(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_one_object_a_line(tmp_path):
    with zipfile.ZipFile(FLIGHTS) as packed:
        packed.extractall(tmp_path)
    found = rows(run("--directory", tmp_path))
    assert len(found) == 26_865
    assert list(found[0])[:3] == ["__time", "carrier", "tailnum"]
    assert found[0]["__time"] == 1357034400000
    assert rows(run(FLIGHTS)) == found


def test_some_columns_and_times_as_text(tmp_path):
    out = tmp_path / "rows.json"
    assert run(FLIGHTS, "-c", "carrier", "-c", "__time", "--time-iso8601", "-o", out).exit_code == 0
    first = json.loads(out.read_text().splitlines()[0])
    assert first == {"carrier": first["carrier"], "__time": "2013-01-01T10:00:00.000Z"}
    assert list(first) == ["carrier", "__time"]


def test_values_look_as_druids():
    found = rows(run(MIXED))
    assert {type(row["mv"]) for row in found} == {list, str, type(None)}
    assert all(len(row["mv"]) > 1 for row in found if isinstance(row["mv"], list))
    assert {type(row["nest"]) for row in found} == {dict, type(None)}
    assert {type(row["al"]) for row in found} == {list, type(None)}


def test_bitmaps():
    shown = rows(run(MIXED, "--dump", "bitmaps", "--decompress-bitmaps", "-c", "low", "-c", "seq"))[0]["bitmaps"]
    assert shown["seq"] is None
    lows = [row["low"] for row in rows(run(MIXED, "-c", "low"))]
    assert shown["low"] == {v: [i for i, x in enumerate(lows) if x == v] for v in sorted(set(lows))}
    assert rows(run(MIXED, "--dump", "bitmaps", "-c", "low"))[0]["bitmaps"]["low"]["alpha"].startswith("O")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "Which segment?"),
        (["/no/such/place"], "does not exist"),
        ([MIXED, "-c", "nope"], "no column [nope]"),
        ([Path(__file__).parent], "not a segment directory"),
    ],
)
def test_errors_are_one_line(arguments, problem):
    result = run(*arguments)
    assert result.exit_code != 0
    assert problem in result.output
    assert "Traceback" not in result.output
