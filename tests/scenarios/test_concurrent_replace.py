"""Appending while another task replaces (``useConcurrentLocks``): whoever publishes first, every row counts once."""

import json
import random
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.scenarios.processes import Cluster, metadata_discovery
from tests.scenarios.test_kill_nine import new_seed
from tests.servers.http_files import HttpFiles

pytestmark = pytest.mark.xdist_group("concurrent-replace")  # all on one cluster

ROWS = 100
"""In each file."""
DAYS = 2
WHOLE = f"2024-01-01/2024-01-0{1 + DAYS}"


class HeldFiles:
    """``who-0.csv``, ``who-1.csv``, …: rows of who, whose n are numbers that no other file of who's has.

    A file that is held is given when it is released.
    """

    def __init__(self):
        self.asked = set()
        self._held = {}
        self._files = HttpFiles(self._content)

    def _content(self, path):
        name = path.strip("/")
        self.asked.add(name)
        if name in self._held:
            self._held[name].wait(120)
        who, number = name.removesuffix(".csv").split("-")
        lines = (f"2024-01-0{1 + n % DAYS}T0{n % 10}:00:00Z,{who},{int(number) * ROWS + n}\n" for n in range(ROWS))
        return "".join(lines).encode()

    def hold(self, name):
        self._held[name] = threading.Event()

    def release(self):
        for event in self._held.values():
            event.set()

    def source(self, who, *numbers):
        return {"type": "http", "uris": [self._files.url(f"{who}-{number}.csv") for number in numbers or (0,)]}

    def close(self):
        self.release()
        self._files.close()


@pytest.fixture
def files():
    with closing(HeldFiles()) as made:
        yield made


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One worker of three slots: sub tasks wait while tasks that are held have them."""
    common = {"druid.indexer.queue.startDelay": "PT0S"}
    with Cluster(tmp_path_factory.mktemp("concurrent"), metadata_discovery(), common=common) as made:
        made.add("master", "overlord", "coordinator")
        made.add("worker", "middleManager", {"druid.worker.capacity": "3"})
        made.add("data", "historical", "broker")
        made.start()
        made.wait_for(lambda: made.overlord.get("/druid/indexer/v1/workers"))
        yield made


CONCURRENT = {"useConcurrentLocks": True}
PARTITIONS = {"forceTimeChunkLock": False}


def ingestion(data_source, source, *, append, sub_tasks=1, granularity="DAY", context=CONCURRENT, **tuning):
    """An ``index_parallel``; one that replaces names the interval."""
    intervals = {} if append else {"intervals": [WHOLE]}
    is_http = source["type"] == "http"
    return {
        "type": "index_parallel",
        "spec": {
            "dataSchema": {
                "dataSource": data_source,
                "timestampSpec": {"column": "t", "format": "iso"}
                if is_http
                else {"column": "__time", "format": "millis"},
                "dimensionsSpec": {"dimensions": ["who", {"type": "long", "name": "n"}]},
                "granularitySpec": {"segmentGranularity": granularity, "rollup": False, **intervals},
            },
            "ioConfig": {
                "type": "index_parallel",
                "inputSource": source,
                **({"inputFormat": {"type": "csv", "columns": ["t", "who", "n"]}} if is_http else {}),
                "appendToExisting": append,
            },
            "tuningConfig": {
                "type": "index_parallel",
                "maxNumConcurrentSubTasks": sub_tasks,
                "splitHintSpec": {"type": "maxSize", "maxNumFiles": 1},
                "taskStatusCheckPeriodMs": 200,
                **tuning,
            },
        },
        "context": context,
    }


def compaction(data_source, sub_tasks=1, context=CONCURRENT):
    return {
        "type": "compact",
        "dataSource": data_source,
        "ioConfig": {"type": "compact", "inputSpec": {"type": "interval", "interval": WHOLE}},
        "tuningConfig": {
            "type": "index_parallel",
            "maxNumConcurrentSubTasks": sub_tasks,
            "taskStatusCheckPeriodMs": 200,
        },
        "context": context,
    }


def succeed(cluster, *task_ids):
    for task_id in task_ids:
        status = cluster.overlord.wait_for_task(task_id)
        assert status["statusCode"] == "SUCCESS", (task_id, status["errorMsg"])


def store(cluster, query, *values):
    with closing(sqlite3.connect(f"file:{cluster.folder}/metadata.db?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


def check(cluster, data_source, upgraded, **files_of):
    """All rows of those files, each once; so many segments are there in two versions; nothing is left over.

    ``upgraded``: None for any number.
    """
    parents = wait_for_newest(cluster, data_source)
    assert rows_of(cluster, data_source) == rows_in(files_of)
    assert upgraded in (None, sum(parent is not None for parent in parents.values())), parents
    for table in ("druid_taskLocks", "druid_pendingSegments", "druid_upgradeSegments"):
        cluster.wait_for(lambda table=table: not store(cluster, f"SELECT 1 FROM {table}"))


def wait_for_newest(cluster, data_source):
    """Until queries see all segments of the newest version, and no others; of which each was upgraded, by id."""
    rows = store(
        cluster,
        "SELECT id, upgraded_from_segment_id, start, version FROM druid_segments WHERE dataSource = ?",
        data_source,
    )
    newest = max(version for *_, version in rows)
    assert len({start for *_, start, version in rows if version == newest}) == DAYS, rows
    parents = {id_: parent for id_, parent, _, version in rows if version == newest}
    active = f"SELECT segment_id FROM sys.segments WHERE datasource = '{data_source}' AND is_active = 1"
    served = f"{active} AND is_available = 1"
    cluster.wait_for(lambda: {row["segment_id"] for row in cluster.broker.sql(served)} == set(parents))
    return parents


def rows_of(cluster, data_source):
    query = f'SELECT who, COUNT(*) AS c, SUM(n) AS s FROM "{data_source}" GROUP BY who ORDER BY who'
    return [tuple(row.values()) for row in cluster.broker.sql(query)]


def rows_in(files_of):
    """What `rows_of` finds for so many files of each."""
    return sorted((who, count * ROWS, count * ROWS * (count * ROWS - 1) // 2) for who, count in files_of.items())


def append(cluster, data_source, source, **more):
    """Submit a task that appends; its id."""
    return cluster.overlord.submit(ingestion(data_source, source, append=True, **more))


def held_append(cluster, files, data_source, **more):
    """One that has been given ids for the rows of its first file, and waits for the second; its id."""
    files.hold("late-1.csv")
    partitions = {"type": "dynamic", "maxTotalRows": ROWS}
    task_id = append(cluster, data_source, files.source("late", 0, 1), partitionsSpec=partitions, **more)
    cluster.wait_for(lambda: len(store(cluster, "SELECT 1 FROM druid_pendingSegments")) == DAYS)
    cluster.wait_for(lambda: "late-1.csv" in files.asked)
    return task_id


def test_what_is_appended_before_a_replacement_is_published_stays(cluster, files):
    succeed(cluster, append(cluster, "replaced", files.source("base")))
    files.hold("new-0.csv")
    replacing = cluster.overlord.submit(ingestion("replaced", files.source("new"), append=False))
    cluster.wait_for(lambda: "new-0.csv" in files.asked)
    succeed(cluster, append(cluster, "replaced", files.source("late")))
    files.release()
    succeed(cluster, replacing)
    check(cluster, "replaced", DAYS, new=1, late=1)


@pytest.mark.slow
def test_files_of_what_was_appended_outlive_the_version_that_they_were_made_for(cluster, files, tmp_path):
    """The replaced version is moved and killed: what the newest one loads stays where it is."""
    data_source = "outlived"
    succeed(cluster, append(cluster, data_source, files.source("base")))
    files.hold("new-0.csv")
    replacing = cluster.overlord.submit(ingestion(data_source, files.source("new"), append=False))
    cluster.wait_for(lambda: "new-0.csv" in files.asked)
    succeed(cluster, append(cluster, data_source, files.source("late")))
    files.release()
    succeed(cluster, replacing)
    newest = wait_for_newest(cluster, data_source)
    rows = "SELECT id, payload FROM druid_segments WHERE dataSource = ?"
    old = [id_ for id_, _ in store(cluster, rows, data_source) if id_ not in newest]
    assert len(old) == 2 * DAYS
    cluster.coordinator.post(f"/druid/coordinator/v1/datasources/{data_source}/markUnused", {"segmentIds": old})
    task = {"dataSource": data_source, "interval": WHOLE}
    succeed(cluster, cluster.overlord.submit({"type": "move", "target": {"path": str(tmp_path / "cold")}, **task}))
    assert len(list(tmp_path.rglob("version.bin"))) == DAYS  # those of base
    succeed(cluster, cluster.overlord.submit({"type": "kill", **task}))
    assert not list(tmp_path.rglob("version.bin"))
    left = {id_: json.loads(payload)["loadSpec"]["path"] for id_, payload in store(cluster, rows, data_source)}
    assert set(left) == set(newest)
    assert all(Path(path, "version.bin").is_file() for path in left.values())
    assert rows_of(cluster, data_source) == rows_in({"late": 1, "new": 1})


@pytest.mark.slow
def test_what_is_appended_by_the_hour_stays_in_the_days_that_replace(cluster, files):
    files.hold("new-0.csv")
    replacing = cluster.overlord.submit(ingestion("hours", files.source("new"), append=False))
    cluster.wait_for(lambda: "new-0.csv" in files.asked)
    succeed(cluster, append(cluster, "hours", files.source("late"), granularity="HOUR"))
    files.release()
    succeed(cluster, replacing)
    check(cluster, "hours", 5 * DAYS, new=1, late=1)


@pytest.mark.slow
def test_what_is_appended_before_all_is_dropped_stays(cluster, files):
    succeed(cluster, append(cluster, "dropped", files.source("base")))
    files.hold("new-0.csv")
    dropping = ingestion("dropped", files.source("new"), append=False)
    dropping["spec"]["dataSchema"]["transformSpec"] = {"filter": {"type": "false"}}
    dropping["spec"]["ioConfig"]["dropExisting"] = True
    replacing = cluster.overlord.submit(dropping)
    cluster.wait_for(lambda: "new-0.csv" in files.asked)
    succeed(cluster, append(cluster, "dropped", files.source("late")))
    files.release()
    succeed(cluster, replacing)
    check(cluster, "dropped", DAYS, late=1)


def test_what_is_appended_during_a_compaction_is_not_compacted_and_stays(cluster, files):
    succeed(cluster, *(append(cluster, "compacted", files.source("base", number)) for number in (0, 1)))
    for name in ("late-0.csv", "other-0.csv"):
        files.hold(name)
    appending = [append(cluster, "compacted", files.source(who)) for who in ("late", "other")]
    cluster.wait_for(lambda: files.asked >= {"late-0.csv", "other-0.csv"})
    compacting = cluster.overlord.submit(compaction("compacted", sub_tasks=2))
    # it has its locks, and knows what it reads; its sub task has no slot yet
    cluster.wait_for(lambda: cluster.overlord.get("/druid/indexer/v1/pendingTasks"))
    files.release()
    succeed(cluster, *appending, compacting)
    check(cluster, "compacted", 2 * DAYS, base=2, late=1, other=1)


def test_what_was_allocated_before_a_compaction_is_published_after_it(cluster, files):
    succeed(cluster, *(append(cluster, "allocated", files.source("base", number)) for number in (0, 1)))
    appending = held_append(cluster, files, "allocated")
    succeed(cluster, cluster.overlord.submit(compaction("allocated")))
    files.release()
    succeed(cluster, appending)
    check(cluster, "allocated", DAYS, base=2, late=2)


@pytest.mark.slow
def test_what_sub_tasks_allocated_before_a_reindexing_is_published_after_it(cluster, files):
    succeed(cluster, append(cluster, "reindexed", files.source("base")))
    appending = held_append(cluster, files, "reindexed", sub_tasks=2)
    source = {"type": "druid", "dataSource": "reindexed", "interval": WHOLE}
    succeed(cluster, cluster.overlord.submit(ingestion("reindexed", source, append=False)))
    files.release()
    succeed(cluster, appending)
    check(cluster, "reindexed", DAYS, base=1, late=2)


def wait_for_partitions(cluster, data_source, *wanted, **files_of):
    """Until queries see just these partitions of each day: kind, number and minor version. The rows are those."""
    query = f"SELECT shard_spec FROM sys.segments WHERE datasource = '{data_source}' AND is_active = 1"

    def found():
        specs = [json.loads(row["shard_spec"]) for row in cluster.broker.sql(f"{query} AND is_available = 1")]
        return sorted((s["type"], s.get("partitionNum", s.get("partitionId")), s.get("minorVersion", 0)) for s in specs)

    cluster.wait_for(lambda: found() == sorted(list(wanted) * DAYS) and len(cluster.broker.sql(query)) == len(found()))
    assert rows_of(cluster, data_source) == rows_in(files_of)
    versions = store(cluster, "SELECT DISTINCT start, version FROM druid_segments WHERE dataSource = ?", data_source)
    assert len(versions) == DAYS


@pytest.mark.parametrize("sub_tasks", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_partitions_are_compacted_while_others_are_appended(cluster, files, sub_tasks):
    """With ``forceTimeChunkLock: false``, under exclusive locks: they are on different partitions."""
    data_source = f"partitions{sub_tasks}"
    for number in (0, 1):
        succeed(cluster, append(cluster, data_source, files.source("base", number), context=PARTITIONS))
    appending = held_append(cluster, files, data_source, context=PARTITIONS)
    compacting = cluster.overlord.submit(compaction(data_source, sub_tasks, PARTITIONS))
    succeed(cluster, compacting)
    first = ("numbered_overwrite", 32768, 1)
    wait_for_partitions(cluster, data_source, first, base=2)
    files.release()
    succeed(cluster, appending)
    wait_for_partitions(cluster, data_source, first, ("numbered", 2, 0), ("numbered", 3, 0), base=2, late=2)
    succeed(cluster, cluster.overlord.submit(compaction(data_source, sub_tasks, PARTITIONS)))
    wait_for_partitions(cluster, data_source, ("numbered_overwrite", 32769, 2), base=2, late=2)
    cluster.wait_for(lambda: not store(cluster, "SELECT 1 FROM druid_taskLocks"))


def run_at_random(cluster, files, data_source, context):
    """Several appends and compactions, at random moments: the compactions, and the files whose rows are wanted."""
    seed = new_seed()
    print(f"seed {seed}")
    chance = random.Random(seed)
    appended = {f"who{i}": 2 for i in range(chance.randint(2, 5))}
    partitions = {"type": "dynamic", "maxTotalRows": ROWS}
    tasks = [
        ingestion(data_source, files.source(who, 0, 1), append=True, context=context, partitionsSpec=partitions)
        for who in appended
    ]
    tasks += [compaction(data_source, context=context) for _ in range(chance.randint(1, 3))]
    # one only: if each slot had a task that waits for its sub tasks, none of these would ever run
    divided = chance.choice(tasks)
    divided.get("spec", divided)["tuningConfig"]["maxNumConcurrentSubTasks"] = 2
    chance.shuffle(tasks)
    succeed(cluster, append(cluster, data_source, files.source("base"), context=context))
    running = []
    for task in tasks:
        time.sleep(chance.uniform(0, 1.5))
        running.append((task["type"] == "compact", cluster.overlord.submit(task)))
    succeed(cluster, *(task_id for compacts, task_id in running if not compacts))
    return [task_id for compacts, task_id in running if compacts], {"base": 1, **appended}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(5))
def test_appends_and_compactions_in_any_order_keep_all_rows(cluster, files, number):
    compactions, wanted = run_at_random(cluster, files, f"random{number}", CONCURRENT)
    succeed(cluster, *compactions)
    check(cluster, f"random{number}", None, **wanted)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(5))
def test_compactions_of_partitions_in_any_order_keep_all_rows(cluster, files, number):
    """A compaction may fail: when it has read what it could not lock any more, or lost a lock to an append."""
    data_source = f"randomPartitions{number}"
    compactions, wanted = run_at_random(cluster, files, data_source, PARTITIONS)
    for task_id in compactions:
        cluster.overlord.wait_for_task(task_id)
    query = f"SELECT is_available FROM sys.segments WHERE datasource = '{data_source}' AND is_active = 1"
    for _ in range(2):  # all that is published is also served, and once more when that has settled
        cluster.wait_for(lambda: all(row["is_available"] for row in cluster.broker.sql(query)))
        cluster.wait_for(lambda: rows_of(cluster, data_source) == rows_in(wanted))
    cluster.wait_for(lambda: not store(cluster, "SELECT 1 FROM druid_taskLocks"))
