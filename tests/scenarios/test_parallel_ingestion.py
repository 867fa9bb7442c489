"""Batch ingestion over several workers: rows go through the shuffle and come out once, whatever is killed meanwhile."""

import threading

import psutil
import pytest
from tests.scenarios.processes import Cluster, zookeeper_discovery
from tests.servers.http_files import HttpFiles

FILES, ROWS = 3, 500
DAYS = 2


class Files:
    """CSV files over HTTP; those that are held are given when they are released."""

    def __init__(self):
        self.released, self.asked = threading.Event(), []
        self.released.set()
        self._files = HttpFiles(self._content)

    def _content(self, path):
        self.asked.append(path)
        self.released.wait(120)
        return rows_of(int(path.strip("/"))).encode()

    def hold(self):
        self.asked.clear()
        self.released.clear()

    def close(self):
        self.released.set()
        self._files.close()

    def task(self, data_source, tuning):
        source = {"type": "http", "uris": [self._files.url(i) for i in range(FILES)]}
        return {
            "type": "index_parallel",
            "spec": {
                "dataSchema": {
                    "dataSource": data_source,
                    "timestampSpec": {"column": "t", "format": "iso"},
                    "dimensionsSpec": {"dimensions": ["d", {"type": "long", "name": "n"}]},
                    "granularitySpec": {"segmentGranularity": "DAY", "rollup": False},
                },
                "ioConfig": {
                    "inputSource": source,
                    "inputFormat": {"type": "csv", "columns": ["t", "d", "n"]},
                },
                "tuningConfig": {
                    "maxNumConcurrentSubTasks": 3,
                    "splitHintSpec": {"type": "maxSize", "maxNumFiles": 1},
                    **tuning,
                },
            },
        }


def rows_of(file):
    """Each row's n is its own; d is spread over 50 values."""
    return "".join(f"2024-01-0{1 + i % DAYS}T{i % 24:02}:00:00Z,d{i % 50:02},{file * ROWS + i}\n" for i in range(ROWS))


@pytest.fixture
def files():
    made = Files()
    yield made
    made.close()


@pytest.fixture(scope="module")
def processes(tmp_path_factory, zookeeper):
    """Two workers of two slots each."""
    with Cluster(tmp_path_factory.mktemp("parallel"), zookeeper_discovery(zookeeper)) as made:
        made.add("master", "overlord", "coordinator")
        for name in ("worker1", "worker2"):
            made.add(name, "middleManager", {"druid.worker.capacity": "2"})
        made.add("data", "historical", "broker")
        made.start()
        made.wait_for(lambda: len(made.overlord.get("/druid/indexer/v1/workers")) == 2)
        yield made


def wait_for_rows(cluster, data_source, segments):
    """All rows, each once, in so many segments."""
    count = FILES * ROWS
    wanted = {"rows": count, "sum": count * (count - 1) // 2, "different": count}
    query = f'SELECT COUNT(*) AS "rows", SUM(n) AS "sum", COUNT(DISTINCT n) AS "different" FROM "{data_source}"'
    query = query.replace("COUNT(DISTINCT n)", f'(SELECT COUNT(*) FROM (SELECT n FROM "{data_source}" GROUP BY n))')
    cluster.wait_for(lambda: cluster.broker.sql(query) == [wanted], 90)
    found = cluster.broker.sql(
        f"SELECT shard_spec FROM sys.segments WHERE datasource = '{data_source}' AND is_active = 1"
    )
    assert len(found) == segments
    return found


def sub_tasks(cluster, task_id):
    tasks = cluster.overlord.get("/druid/indexer/v1/tasks")
    return [each for each in tasks if each["groupId"] == task_id and each["id"] != task_id]


def test_rows_are_divided_by_range_over_all_workers(processes, files):
    ranges = {"type": "range", "partitionDimensions": ["d"], "targetRowsPerSegment": 250}
    tuning = {"forceGuaranteedRollup": True, "partitionsSpec": ranges, "totalNumMergeTasks": 3}
    spec = files.task("ranged", tuning)
    task = processes.overlord.submit(spec)
    status = processes.overlord.wait_for_task(task, 180)
    assert status["statusCode"] == "SUCCESS", status["errorMsg"]
    ended = sub_tasks(processes, task)
    assert {each["statusCode"] for each in ended} == {"SUCCESS"}
    ports = {processes[name].peon_port for name in ("worker1", "worker2")}
    assert {max(p for p in ports if p <= each["location"]["port"]) for each in ended} == ports
    for name in ("worker1", "worker2"):  # the partial segments were there, and are gone
        assert list(processes[name].data.rglob("intermediary-segments"))
        assert not list(processes[name].data.rglob(f"intermediary-segments/{task}"))
    wait_for_rows(processes, "ranged", segments=6)


def test_a_sub_task_whose_peon_is_killed_is_done_again(processes, files):
    files.hold()
    task = processes.overlord.submit(files.task("killed", {}))
    running = processes.wait_for(lambda: len(files.asked) == 3 and sub_tasks(processes, task))
    victim = processes.overlord.status(running[0]["id"])["location"]["port"]
    peons = [peon for name in ("worker1", "worker2") for peon in processes[name].peons()]
    (peon,) = [peon for peon in peons if victim in listened(peon)]
    peon.kill()
    processes.wait_for(lambda: processes.overlord.status(running[0]["id"])["statusCode"] == "FAILED")
    files.released.set()
    status = processes.overlord.wait_for_task(task, 180)
    assert status["statusCode"] == "SUCCESS", status["errorMsg"]
    ended = sub_tasks(processes, task)
    assert sorted(each["statusCode"] for each in ended) == ["FAILED", *["SUCCESS"] * FILES]
    wait_for_rows(processes, "killed", segments=FILES * DAYS)


def listened(process):
    return {c.laddr.port for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN}
