"""What our tasks push to deep storage, a Java Historical loads, and its Broker answers of it as recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.interop.historicals import GOLDEN, data_sources, tell
from tests.scenarios.cluster import QuickstartProcess

from nemeton.testkit.waiting import eventually

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("java")]

OFFSET = 18_000
BROKER, HISTORICAL = f"http://localhost:{8082 + OFFSET}", f"http://localhost:{8083 + OFFSET}"
SPECS = (
    "mixed.1", "mixed.2", "flights_rollup_day.1", "mixed_zstd.1", "mixed_concise.1", "mixed_longauto.1",
    "mixed_uncompressed.1",
)  # fmt: skip
SOURCES = {name.split(".")[0] for name in SPECS}
GROUPS = (
    "native_aggregators", "native_dimensions", "native_expressions", "native_filters", "native_groupby", "native_scan",
    "native_search", "native_timeseries", "native_topn", "variant_mixed_zstd", "variant_mixed_concise",
    "variant_mixed_longauto", "variant_mixed_uncompressed",
)  # fmt: skip


@pytest.fixture(scope="module")
def java(real_druid, own_zookeeper):
    """A Broker and a Historical of the real Druid, without a Coordinator."""
    with real_druid.servers(OFFSET, own_zookeeper.connect_string, "historical", "broker"):
        yield


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    """What our tasks made of the golden specs, as the metadata store has it."""
    with QuickstartProcess(tmp_path_factory.mktemp("pushed")) as cluster:
        for name in SPECS:
            text = (GOLDEN / "specs" / f"{name}.json").read_text()
            task_id = cluster.submit(json.loads(text.replace("${DATA_DIR}", str(GOLDEN / "data"))))
            cluster.wait_for(lambda task_id=task_id: cluster.status(task_id)["statusCode"] != "RUNNING", 200)
            assert cluster.status(task_id)["statusCode"] == "SUCCESS", name
        path = "/druid/coordinator/v1/metadata/datasources/{}/segments?full"
        yield [segment for source in sorted(SOURCES) for segment in cluster.get(path.format(source))]


def table(record: dict[str, Any]) -> str | None:
    """The data source of a recorded query, where it is a table."""
    source = (record.get("request") or {}).get("dataSource")
    return source if isinstance(source, str) else None


def recorded(folder: Path) -> int:
    """The recorded queries of these data sources, alone, in files as the checker reads them."""
    count = 0
    for group in GROUPS:
        records = json.loads((GOLDEN / "queries" / f"{group}.json").read_text())
        wanted = [r for r in records if table(r) in SOURCES and r["status"] == 200]
        wanted = [r for r in wanted if "lookup" not in json.dumps(r["request"]).lower()]  # nobody gives them out
        wanted = [r for r in wanted if "segmentId" not in r.get("response_text", "")]  # ours have ids of their own
        (folder / f"{group}.json").write_text(json.dumps(wanted))
        count += len(wanted)
    return count


def test_a_java_historical_and_broker_answer_of_our_segments_as_of_druids(java, segments, tmp_path):
    tell(HISTORICAL, "load", segments)
    eventually(lambda: data_sources(BROKER) == sorted(SOURCES), "the Broker to see all data sources", 120)
    queries, out = tmp_path / "queries", tmp_path / "out.json"
    queries.mkdir()
    count = recorded(queries)
    command = [sys.executable, GOLDEN / "check.py", BROKER, queries, "--json", out]
    subprocess.run(command, capture_output=True, timeout=600, check=False)
    groups = json.loads(out.read_text())["groups"]
    failed = {each["name"]: each["why"] for group in groups.values() for each in group["failures"]}
    assert not failed, json.dumps(failed, indent=1)
    assert sum(group["passed"] for group in groups.values()) == count > 400
