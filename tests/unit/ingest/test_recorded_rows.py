"""Rows as Druid 33 read and transformed them (recorded), against what our reader makes of the same input.

Of each case the recording has the input format, the text, perhaps a transformSpec and a dimensionsSpec; and of each
record its time, dimensions and values, or that it cannot be parsed, or that the filter drops it; or that all fails.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.ingest.helpers import converter

from nemeton.common.errors import DruidException
from nemeton.ingest.documents import decode_documents
from nemeton.ingest.meters import ParseExceptionHandler, RowMeters
from nemeton.ingest.reader import InputSourceReader
from nemeton.ingest.schema import DataSchema
from nemeton.ingest.values import java_text
from nemeton.spi.ingest import InputFormat, InputSource

RECORDED = json.loads((Path(__file__).parents[2] / "data" / "reference" / "ingest" / "rows.json").read_text())

#: Cases in which we differ, by reason. One that has come right fails the test.
DIFFERENT: dict[str, tuple[str, ...]] = {
    "parts of jq that are refused": (
        "jq def f: .+1; .a.b|f",
        "jq reduce .arr[] as $i (0;.+$i)",
        'jq @base64 "x"',
        "jq try error catch .",
        "jq .a|with_entries(.value|=tostring)",
        "jq .a|del(.c)",
        "jq .a.b=5",
    ),
}
REASONS = {name: reason for reason, names in DIFFERENT.items() for name in names}


class Read:
    """What our reader makes of a case."""

    def __init__(self, case: dict[str, Any]) -> None:
        spec = {
            "dataSource": "x",
            "timestampSpec": case.get("timestampSpec", {"column": "t", "format": "auto", "missingValue": "1970"}),
            "dimensionsSpec": case.get("dimensionsSpec", {}),
            "granularitySpec": {"rollup": False},
            "transformSpec": case.get("transformSpec", {}),
        }
        self.meters = RowMeters()
        reader = InputSourceReader(
            converter().structure(spec, DataSchema),
            converter().structure({"type": "inline", "data": case["data"]}, InputSource),
            converter().structure(case["inputFormat"], InputFormat),
            self.meters,
            ParseExceptionHandler(self.meters),
        )
        self.times: list[int] = []
        self.values: list[dict[str, Any]] = []
        for batch in reader.batches():
            columns = {
                name: list(decode_documents(column)) for name, column in {**batch.values, **batch.strings}.items()
            }
            self.times += batch.times.tolist()
            self.values += [{n: column[i] for n, column in columns.items()} for i in range(batch.num_rows)]
        self.dimensions = list(reader.discovered)


def plain(value: Any) -> Any:
    """Booleans are the longs that they become, or the texts; numbers that are too large come as texts from Druid."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return {True: 1, False: 0}[value] if isinstance(value, bool) else value


def text(value: Any) -> Any:
    """As a string dimension keeps it; doubles in Java's spelling, which the recording has lost."""
    if isinstance(value, list):
        return text(value[0]) if len(value) == 1 else [text(item) for item in value]
    return java_text(value)


def check(case: dict[str, Any]) -> None:
    if "fails" in case:  # where Druid's task fails at a record we report the record
        try:
            read = Read(case)
        except DruidException:
            return
        assert read.meters.unparseable
        return
    read = Read(case)
    rows = [row for row in case["rows"] if "time" in row]
    assert read.meters.unparseable == sum("unparseable" in row for row in case["rows"])
    assert read.meters.thrown_away == sum("dropped" in row for row in case["rows"])
    assert read.times == [row["time"] for row in rows]
    listed = [d["name"] if isinstance(d, dict) else d for d in case.get("dimensionsSpec", {}).get("dimensions", ())]
    found = dict.fromkeys(name for row in rows for name in row["dimensions"] if name not in listed)
    assert read.dimensions == list(found)
    for ours, row in zip(read.values, rows, strict=True):
        for name, value in row["values"].items():
            mine = ours.get(name)
            if case["name"].startswith(("discovery", "includeAll", "json", "features", "time", "csv", "regex", "tsv")):
                assert text(mine) == text(value), name
            else:
                assert plain(mine) == plain(value), name
                assert type(mine) is type(plain(value)) or isinstance(value, bool), name


def cases() -> list[Any]:
    return [
        pytest.param(
            case,
            id=case["name"],
            marks=[pytest.mark.xfail(reason=REASONS[case["name"]], strict="array" not in REASONS[case["name"]])]
            if case["name"] in REASONS
            else [],
        )
        for case in RECORDED
    ]


@pytest.mark.parametrize("case", cases())
def test_rows_are_druids(case: dict[str, Any]) -> None:
    check(case)
