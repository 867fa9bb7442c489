"""Data servers where there is no Coordinator: telling them what to load, and asking what Brokers see of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from nemeton.http.client import HttpClient
from nemeton.testkit.waiting import eventually

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SEGMENTS = "/druid-internal/v1/segments"
client = HttpClient(timeout_s=120)


def segments(name):
    """The golden segments of a folder, as a Coordinator describes them."""
    for descriptor in sorted((GOLDEN / "segments" / name).glob("*/*/descriptor.json")):
        yield json.loads(descriptor.read_text()) | {
            "loadSpec": {"type": "local", "path": str(descriptor.parent / "index.zip")}
        }


def tell(historical, action, wanted):
    """Have the segments loaded or dropped; those that are not done are asked for again, as a Coordinator does.

    What it says is not enough: Java's Historical remembers what it answered last, and may answer that it has done
    what it did before the opposite was asked for, and do nothing. A Coordinator sees that as well.
    """
    left = [{"action": action, **segment} for segment in wanted]

    def done():
        nonlocal left
        answer = client.request("POST", f"{historical}{SEGMENTS}/changeRequests?timeout=60000", json=left)
        states = (
            [each["status"]["state"] for each in answer.json()] if answer.status == 200 else ["PENDING"] * len(left)
        )
        assert "FAILED" not in states
        polled = client.request("GET", f"{historical}{SEGMENTS}?counter=-1&timeout=1000").json()
        served = {_name(each) for each in polled["requests"]}
        left = [request for request in left if (_name(request) in served) != (action == "load")]
        return not left

    eventually(done, f"{action} at {historical}", 120)


def _name(segment):
    return segment["dataSource"], segment["interval"], segment["version"], segment["shardSpec"].get("partitionNum", 0)


def data_sources(broker):
    answer = client.request("GET", f"{broker}/druid/v2/datasources")
    return sorted(answer.json()) if answer.ok else None


def rows_of(broker, source):
    query = {
        "queryType": "timeseries",
        "dataSource": source,
        "intervals": ["0000/3000"],
        "granularity": "all",
        "aggregations": [{"type": "count", "name": "rows"}],
    }
    answer = client.request("POST", f"{broker}/druid/v2/", json=query)
    assert answer.ok, answer.text
    return sum(each["result"]["rows"] for each in answer.json())


def check(broker, group, folder):
    """How many recorded queries of a group the Broker answers as Druid did, and why not the others, by name."""
    out = folder / f"{group}.json"
    command = [sys.executable, GOLDEN / "check.py", broker, GOLDEN / "queries", "--group", group]
    subprocess.run([*command, "--errors", "code", "--json", out], capture_output=True, timeout=300, check=False)
    result = json.loads(out.read_text())["groups"][group]
    return result["passed"], {each["name"]: each["why"] for each in result["failures"]}
