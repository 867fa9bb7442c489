"""Asks a real Druid the queries of a file of records, and writes its answers into the file.

usage: python -m tests.conformance.record_queries http://BROKER FILE…

The Druid holds the golden data sources (made by `tests/golden/specs`) and the golden lookups. Records
are those of `tests/golden`; what a query of a new record is compared by follows from its type.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.conformance.golden_engine import check


def ask(base: str, request: Any) -> tuple[int, Any]:
    """The status and the answer."""
    status, _, _, text = check.send(base, {"endpoint": "/druid/v2", "request": request})
    return status, json.loads(text)


def record(base: str, path: Path) -> None:
    """Write the answers into the file."""
    records = json.loads(path.read_text())
    for each in records:
        each["endpoint"] = "/druid/v2"
        each["status"], each["response"] = ask(base, each["request"])
        each.setdefault("ordered", each["request"]["queryType"] != "scan")
    lines = ",\n".join(json.dumps(each, separators=(",", ":"), ensure_ascii=False) for each in records)
    path.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    for name in sys.argv[2:]:
        record(sys.argv[1], Path(name))
