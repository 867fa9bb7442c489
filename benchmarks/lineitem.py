"""TPC-H lineitem, made by tpchgen-cli, and the task that ingests it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

COLUMNS = (
    "l_orderkey", "l_partkey", "l_suppkey", "l_linenumber", "l_quantity", "l_extendedprice", "l_discount", "l_tax",
    "l_returnflag", "l_linestatus", "l_shipdate", "l_commitdate", "l_receiptdate", "l_shipinstruct", "l_shipmode",
    "l_comment",
)  # fmt: skip
_LONGS = ("l_orderkey", "l_partkey", "l_suppkey", "l_linenumber")
_DOUBLES = ("l_quantity", "l_extendedprice", "l_discount", "l_tax")


def make(folder: Path, scale: float) -> tuple[Path, int]:
    """Make lineitem.csv at the scale unless it is there; its folder and its number of rows."""
    target = folder / f"sf{scale:g}"
    file = target / "lineitem.csv"
    if not file.exists():
        target.mkdir(parents=True, exist_ok=True)
        command = [str(Path(sys.executable).parent / "tpchgen-cli"), "csv", "-s", f"{scale:g}", "--tables", "lineitem"]
        subprocess.run([*command, "--output-dir", str(target)], check=True)
    with file.open("rb") as lines:
        rows = sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 24), b"")) - 1
    return target, rows


#: For queries: suppliers as strings, which Druid's users group by, and no comments, which nobody does.
QUERIED = {"strings": ("l_suppkey",), "left_out": ("l_comment",)}


def task(folder: Path, source: str, strings: tuple[str, ...] = (), left_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """An `index_parallel` task without rollup, yearly segments; `strings` are columns of numbers kept as strings."""
    dimensions: list[Any] = []
    for name in COLUMNS:
        if name in left_out or name == "l_shipdate":
            continue
        if name in strings:
            dimensions.append(name)
        elif name in _LONGS:
            dimensions.append({"type": "long", "name": name})
        elif name in _DOUBLES:
            dimensions.append({"type": "double", "name": name})
        else:
            dimensions.append(name)
    return {
        "type": "index_parallel",
        "spec": {
            "dataSchema": {
                "dataSource": source,
                "timestampSpec": {"column": "l_shipdate", "format": "yyyy-MM-dd"},
                "dimensionsSpec": {"dimensions": dimensions},
                "metricsSpec": [],
                "granularitySpec": {"segmentGranularity": "YEAR", "queryGranularity": "NONE", "rollup": False},
            },
            "ioConfig": {
                "type": "index_parallel",
                "inputSource": {"type": "local", "baseDir": str(folder), "filter": "lineitem.csv"},
                "inputFormat": {"type": "csv", "findColumnsFromHeader": True},
            },
            "tuningConfig": {"type": "index_parallel", "maxNumConcurrentSubTasks": 1},
        },
    }
