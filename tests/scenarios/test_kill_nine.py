"""Kill -9 of the process, of a peon, of the peons' template or of all of them at random moments.

Nothing is lost, nothing doubled, no lock stays.
"""

import os
import random
import sqlite3
import time

import pytest
from tests.scenarios.cluster import QuickstartProcess

ROWS = 20_000
TASKS = 3


def append_task(number):
    """Appends ROWS rows to one interval that all tasks share."""
    lines = "\n".join(f"2020-01-01T00:00:{row % 60:02d}Z,task{number},{row}" for row in range(ROWS))
    return {
        "type": "index_parallel",
        "spec": {
            "dataSchema": {
                "dataSource": "killed",
                "timestampSpec": {"column": "t", "format": "iso"},
                "dimensionsSpec": {"dimensions": ["who", {"type": "long", "name": "n"}]},
                "metricsSpec": [],
                "granularitySpec": {"segmentGranularity": "DAY", "queryGranularity": "NONE", "rollup": False},
            },
            "ioConfig": {
                "type": "index_parallel",
                "inputSource": {"type": "inline", "data": lines},
                "inputFormat": {"type": "csv", "columns": ["t", "who", "n"]},
                "appendToExisting": True,
            },
            "tuningConfig": {"type": "index_parallel"},
        },
    }


def new_seed():
    """A seed that is printed with a failure; NEMETON_SEED repeats one."""
    return int(os.environ.get("NEMETON_SEED") or random.SystemRandom().randrange(1 << 30))


def check(tmp_path, seed, victim):
    print(f"seed {seed}, victim {victim}")
    chance = random.Random(seed)
    cluster = QuickstartProcess(tmp_path)
    try:
        cluster.start()
        ids = [cluster.submit(append_task(number)) for number in range(TASKS)]
        time.sleep(chance.uniform(0, 2.5))
        if victim == "peon":
            for peon in chance.sample(peons := cluster.peons(), k=min(1, len(peons))):
                peon.kill()
        elif victim == "template":
            for template in cluster.templates():
                template.kill()
        else:
            cluster.kill(with_children=victim == "everything")
            if victim == "process twice":
                cluster.start(answering=False)
                time.sleep(chance.uniform(0.3, 2))
                cluster.kill()
            cluster.start()
        statuses = {}
        for task_id in ids:
            cluster.wait_for(lambda task_id=task_id: cluster.status(task_id)["statusCode"] != "RUNNING", 120)
            statuses[task_id] = cluster.status(task_id)
        check_outcome(cluster, tmp_path, statuses)
    finally:
        cluster.stop()


def check_outcome(cluster, tmp_path, statuses):
    succeeded = [number for number, status in enumerate(statuses.values()) if status["statusCode"] == "SUCCESS"]
    failed = [status for status in statuses.values() if status["statusCode"] == "FAILED"]
    assert all(status["errorMsg"] for status in failed)
    # a count of distinct values would be an estimate
    wanted = [{"who": f"task{number}", "rows": ROWS, "total": ROWS * (ROWS - 1) // 2} for number in succeeded]
    if wanted:
        cluster.wait_for(lambda: cluster.sql("SELECT COUNT(*) AS n FROM killed")[0]["n"] >= ROWS * len(succeeded), 60)
        rows = cluster.sql('SELECT who, COUNT(*) AS "rows", SUM(n) AS total FROM killed GROUP BY who')
        assert sorted(rows, key=lambda row: row["who"]) == wanted
    store = sqlite3.connect(tmp_path / "data" / "metadata.db")
    assert store.execute("SELECT COUNT(*) FROM druid_taskLocks").fetchone() == (0,)
    assert store.execute("SELECT COUNT(*) FROM druid_tasks WHERE active").fetchone() == (0,)
    store.close()
    leftovers = [path for path in (tmp_path / "data" / "tasks").glob("slot*/*") if path.is_dir()]
    cluster.wait_for(lambda: not any(path.exists() for path in leftovers), 30)


@pytest.mark.parametrize("victim", ["process", "peon", "template"])
def test_kill_nine_loses_and_doubles_nothing(tmp_path, victim):
    check(tmp_path, new_seed(), victim)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(30))
def test_kill_nine_many_times(tmp_path, number):
    victims = ["process", "peon", "process twice", "template", "everything"]
    check(tmp_path, new_seed(), victims[number % len(victims)])
