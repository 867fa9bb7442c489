"""A stranger's first five minutes: the answers are right, computed another way; a second run finds them."""

import csv
import gzip
import json
import re
import socket
import subprocess
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from pydruid.db import connect
from tests.scenarios.cluster import NEMETON, QuickstartProcess
from tests.servers.ports import free_router_port

from nemeton.cli.sample import QUERIES, ROWS, sample_folder


@pytest.fixture(scope="module")
def flights():
    """The sample as rows, read with nothing of ours."""
    with sample_folder() as folder, gzip.open(folder / "flights-2013-01.csv.gz", "rt", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """One `quickstart --exit` in an empty folder; the folder and what it printed."""
    folder = tmp_path_factory.mktemp("first")
    return folder, run(folder)


def run(folder, *more):
    command = [NEMETON, "quickstart", "--exit", "--data-dir", str(folder / "data"), "--port", str(free_router_port())]
    done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=180, cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def cluster(first_run):
    folder, _ = first_run
    with QuickstartProcess(folder) as running:
        running.wait_for(lambda: running.sql("SELECT COUNT(*) AS n FROM flights")[0]["n"] == ROWS)
        yield running


def test_the_answers_are_printed_with_what_to_do_next(first_run):
    _, output = first_run
    for question, query in QUERIES:
        assert question in output
        assert query in re.sub(r"\s+", " ", output)
    assert "27004" in output
    assert "curl" in output


def test_a_second_run_does_not_ingest_again(first_run):
    folder, _ = first_run
    log_files = sorted((folder / "data" / "task-logs").iterdir())
    assert "27004" in run(folder)
    assert sorted((folder / "data" / "task-logs").iterdir()) == log_files


def test_the_first_answer_is_right(cluster, flights):
    times = sorted(datetime.fromisoformat(row["time_hour"]) for row in flights)
    shown = [f"{time:%Y-%m-%dT%H:%M:%S}.000Z" for time in (times[0], times[-1])]
    assert cluster.sql(QUERIES[0][1]) == [{"flights": len(flights), "first_flight": shown[0], "last_flight": shown[1]}]


def test_the_second_answer_is_right(cluster, flights):
    delays = defaultdict(list)
    for row in flights:
        if row["arr_delay"]:
            delays[row["carrier"]].append(float(row["arr_delay"]))
    latest = sorted(((round(sum(d) / len(d), 1), carrier, len(d)) for carrier, d in delays.items()), reverse=True)[:5]
    answer = cluster.sql(QUERIES[1][1])
    assert [(row["minutes_late"], row["carrier"], row["flights"]) for row in answer] == latest


def test_the_third_answer_is_right(cluster, flights):
    groups = defaultdict(lambda: [0, None])
    for row in flights:
        time = datetime.fromisoformat(row["time_hour"]).astimezone(UTC)
        week = (time - timedelta(days=time.weekday())).strftime("%Y-%m-%dT00:00:00.000Z")
        group = groups[week, row["origin"]]
        group[0] += 1
        if row["dep_delay"]:
            delay = float(row["dep_delay"])
            group[1] = delay if group[1] is None else max(group[1], delay)
    wanted = [
        {"week": week, "origin": origin, "flights": count, "longest_delay": longest}
        for (week, origin), (count, longest) in sorted(groups.items())
    ]
    assert cluster.sql(QUERIES[2][1]) == wanted[:9]


def test_pydruid_reads_the_sample(cluster, flights):
    cursor = connect(host="localhost", port=cluster.port, path="/druid/v2/sql/", scheme="http").cursor()
    cursor.execute("SELECT origin, COUNT(*) AS flights FROM flights GROUP BY origin ORDER BY origin")
    counts = defaultdict(int)
    for row in flights:
        counts[row["origin"]] += 1
    assert [(row.origin, row.flights) for row in cursor] == sorted(counts.items())


def test_the_router_answers_for_every_role(cluster):
    assert cluster.get("/status/health") is True
    assert cluster.get("/druid/coordinator/v1/datasources") == ["flights"]
    (task,) = cluster.get("/druid/indexer/v1/completeTasks")
    assert (task["type"], task["statusCode"], task["dataSource"]) == ("index_parallel", "SUCCESS", "flights")
    report = cluster.get(f"/druid/indexer/v1/task/{task['id']}/reports")
    counts = report["ingestionStatsAndErrors"]["payload"]["rowStats"]["buildSegments"]
    assert (counts["processed"], counts["unparseable"], counts["thrownAway"]) == (ROWS, 0, 0)


def test_system_tables_show_the_sample(cluster):
    # local time in New York is behind: the last hours of January are February in UTC
    query = "SELECT datasource, COUNT(*) AS segments, SUM(num_rows) AS num_rows FROM sys.segments GROUP BY datasource"
    assert cluster.sql(query) == [{"datasource": "flights", "segments": 2, "num_rows": ROWS}]
    assert cluster.sql("SELECT DISTINCT is_published, is_available, is_active FROM sys.segments") == [
        {"is_published": 1, "is_available": 1, "is_active": 1}
    ]
    types = {row["server_type"] for row in cluster.sql("SELECT server_type FROM sys.servers")}
    assert types == {"coordinator", "overlord", "historical", "broker", "router"}
    assert cluster.sql("SELECT status, datasource FROM sys.tasks") == [{"status": "SUCCESS", "datasource": "flights"}]


def test_a_port_in_use_is_a_clear_error(tmp_path):
    port = free_router_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        command = [NEMETON, "quickstart", "--exit", "--data-dir", str(tmp_path / "data"), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unwritable_data_folder_is_a_clear_error(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    command = [NEMETON, "quickstart", "--exit", "--data-dir", str(file / "data"), "--port", str(free_router_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_property_stops_the_start_with_the_nearest_match(tmp_path):
    command = [NEMETON, "quickstart", "--exit", "--data-dir", str(tmp_path), "-D", "druid.storage.storageDirectry=x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "did you mean [druid.storage.storageDirectory]" in done.stderr


def test_the_printed_json_is_what_the_api_says(cluster):
    status = cluster.get("/status")
    assert json.dumps(status)
    assert status["version"]
