"""A cluster of Java and Python processes around one ZooKeeper, one PostgreSQL and one deep storage.

The Java half: a Coordinator that is the Overlord too, a MiddleManager, a Historical and a Broker. The other half: as
much, without a Broker.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.interop.judge_postgresql import install
from tests.scenarios.api import Api
from tests.scenarios.processes import Cluster, postgresql_metadata, zookeeper_discovery

SCRIPT = Path(__file__).parent / "real_druid" / "real_druid.py"
PORTS = {"coordinator": 8081, "broker": 8082, "historical": 8083, "middleManager": 8091}
SESSION_MS = 6000
#: What both halves are told: so that a fault is noticed within the time of a test.
TIMEOUTS = {
    "druid.indexer.runner.taskCleanupTimeout": "PT30S",
    "druid.indexer.runner.taskAssignmentTimeout": "PT2M",
    "druid.coordinator.period": "PT2S",
    "druid.manager.segments.pollDuration": "PT1S",
}
#: What the Java half alone is told. Its peons repeat an action that its Overlord refuses with 500, for ten minutes if
#: left alone: so does a sub task whose supervisor was lost ("Unable to grant lock to inactive Task"). A minute will do.
JAVA_RETRIES = {
    "druid.peon.taskActionClient.retry.minWait": "PT1S",
    "druid.peon.taskActionClient.retry.maxWait": "PT10S",
    "druid.peon.taskActionClient.retry.maxRetryCount": "8",
}
DAYS, ROWS_A_DAY = 2, 50


class JavaRole(Api):
    """One Java process."""

    def __init__(self, half, role):
        self.half = half
        self.role = role

    @property
    def url(self):
        return f"http://localhost:{PORTS[self.role] + self.half.offset}"

    @property
    def pid(self):
        return int((self.half.var / "pid" / self.role).read_text())

    def start(self):
        self.half.run("up", self.role)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def check(self):
        log = self.half.var / "log" / f"{self.role}.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""


class JavaHalf:
    """The Java processes of one cluster, started by `real_druid.py`."""

    def __init__(self, home, var, offset, zookeeper, properties):
        self.home, self.var, self.offset = home, var, offset
        self._zookeeper = zookeeper
        self._properties = properties
        self.coordinator, self.broker, self.historical, self.worker = (
            JavaRole(self, role) for role in ("coordinator", "broker", "historical", "middleManager")
        )

    def run(self, *words):
        options = ["--home", self.home, "--var", self.var, "--offset", self.offset, "--zk", self._zookeeper]
        for name, value in self._properties.items():
            options += ["--prop", f"{name}={value}"]
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *map(str, options), *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"

    def start(self):
        """All four; the Coordinator first, so that it leads."""
        self.coordinator.start()
        with ThreadPoolExecutor(3) as pool:
            for _ in pool.map(JavaRole.start, (self.worker, self.historical, self.broker)):
                pass

    def stop(self):
        with contextlib.suppress(AssertionError):
            self.run("down")


class MixedCluster:
    """See the module. A context manager; Java leads at first."""

    def __init__(self, folder, real_druid, zookeeper, postgresql, *, runner, offset):
        install(real_druid.home)
        metadata = postgresql_metadata(postgresql)
        shared = {
            "druid.storage.storageDirectory": str(folder / "segments"),
            "druid.indexer.logs.directory": str(folder / "task-logs"),
            "druid.indexer.runner.type": runner,
            **TIMEOUTS,
        }
        session = {"druid.zk.service.sessionTimeoutMs": str(SESSION_MS), "druid.zk.paths.base": "/druid"}
        tiers = {"druid.broker.segment.watchedTiers": '["_default_tier"]'}
        properties = {**metadata, **shared, **session, **tiers, **JAVA_RETRIES}
        self.java = JavaHalf(real_druid.home, folder / "java", offset, zookeeper.connect_string, properties)
        discovery = zookeeper_discovery(zookeeper, session_timeout_ms=SESSION_MS, base="/druid")
        self.ours = Cluster(folder / "ours", discovery, metadata, common=shared)
        self.folder = folder
        as_overlord = {"druid.coordinator.asOverlord.enabled": "true"}
        self.masters = self.ours.add("masters", "coordinator", as_overlord)
        self.worker = self.ours.add("worker", "middleManager", {"druid.worker.capacity": "4"})
        self.historical = self.ours.add("historical", "historical", {"druid.server.tier": "ours"})

    def __enter__(self):
        try:
            self.java.start()
            self.ours.start(limit_s=120)
            self.leader.wait_for(lambda: len(self.leader.get("/druid/indexer/v1/workers")) == 2, 120)
            replicas = {"type": "loadForever", "tieredReplicants": {"_default_tier": 1, "ours": 1}}
            self.leader.post("/druid/coordinator/v1/rules/_default", [replicas])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.ours.stop()
        self.java.stop()

    # ---- who does what

    @property
    def leader(self):
        """The API of the Overlord (and Coordinator) that leads; either half may be asked, it redirects."""
        return self.masters if self.masters.is_running else self.java.coordinator

    def leads(self, api):
        with contextlib.suppress(OSError, ValueError):
            return (
                api.get("/druid/indexer/v1/isLeader")["leader"] and api.get("/druid/coordinator/v1/isLeader")["leader"]
            )
        return False

    def only_worker(self, wanted):
        """Let tasks run on one of the two MiddleManagers alone."""
        for worker in (self.worker, self.java.worker):
            worker.post(f"/druid/worker/v1/{'enable' if worker is wanted else 'disable'}")
        host = wanted.url.removeprefix("http://")

        def others_are_disabled():
            workers = self.leader.get("/druid/indexer/v1/workers")
            able = [each["worker"]["host"] for each in workers if each["worker"]["version"] != ""]
            return len(workers) == 2 and able == [host]

        self.leader.wait_for(others_are_disabled, 60)

    # ---- tasks

    def input_files(self):
        folder = self.folder / "input"
        if not folder.exists():
            folder.mkdir()
            for day in range(DAYS):
                lines = (
                    json.dumps({"ts": f"2024-01-0{day + 1}T00:00:00Z", "page": f"p{n % 7}", "n": n})
                    for n in range(ROWS_A_DAY)
                )
                (folder / f"day{day}.json").write_text("\n".join(lines))
        return folder

    def index_parallel(self, data_source, **tuning):
        """Rows of two days in two files, over sub tasks."""
        return {
            "type": "index_parallel",
            "spec": {
                "dataSchema": {
                    "dataSource": data_source,
                    "timestampSpec": {"column": "ts", "format": "iso"},
                    "dimensionsSpec": {"dimensions": ["page", {"type": "long", "name": "n"}]},
                    "granularitySpec": {"segmentGranularity": "DAY", "intervals": ["2024-01-01/2024-01-03"]},
                },
                "ioConfig": {
                    "type": "index_parallel",
                    "inputSource": {"type": "local", "baseDir": str(self.input_files()), "filter": "*.json"},
                    "inputFormat": {"type": "json"},
                },
                "tuningConfig": {
                    "type": "index_parallel",
                    "maxNumConcurrentSubTasks": 2,
                    "splitHintSpec": {"type": "maxSize", "maxNumFiles": 1},
                    **tuning,
                },
            },
        }

    @staticmethod
    def compact(data_source):
        """Both days into one month."""
        return {
            "type": "compact",
            "dataSource": data_source,
            "ioConfig": {"type": "compact", "inputSpec": {"type": "interval", "interval": "2024-01-01/2024-02-01"}},
            "granularitySpec": {"segmentGranularity": "MONTH"},
        }

    @staticmethod
    def kill(data_source):
        return {"type": "kill", "dataSource": data_source, "interval": "2024-01-01/2024-02-01"}

    def run(self, task, limit_s=240):
        """Submit it, and wait for its success."""
        task_id = self.leader.submit(task)
        status = self.leader.wait_for_task(task_id, limit_s)
        assert status["statusCode"] == "SUCCESS", f"{status}\n{self._log_of(task_id)}"
        return status

    def _log_of(self, task_id):
        file = self.folder / "task-logs" / f"{task_id}.log"
        return file.read_text(errors="replace")[-5000:] if file.exists() else "no log"

    # ---- data

    def check_rows(self, data_source, days=DAYS):
        """Both Historicals serve all rows, each once: the real Broker asks the Java one, we ask ours ourselves."""
        query = f'SELECT page, COUNT(*) AS c, SUM(n) AS s FROM "{data_source}" GROUP BY 1 ORDER BY 1'
        expected = [
            {"page": f"p{page}", "c": days * len(ns), "s": days * sum(ns)}
            for page in range(7)
            if (ns := [n for n in range(ROWS_A_DAY) if n % 7 == page])
        ]
        self.java.broker.wait_for(lambda: self.java.broker.sql(query) == expected, 90)
        native = {
            "queryType": "groupBy",
            "dataSource": data_source,
            "intervals": ["2024-01-01/2024-02-01"],
            "granularity": "all",
            "dimensions": ["page"],
            "aggregations": [
                {"type": "count", "name": "c"},
                {"type": "longSum", "name": "s", "fieldName": "n"},
            ],
        }

        def served():
            rows = [row["event"] for row in self.historical.post("/druid/v2", native)]
            return sorted(rows, key=lambda row: row["page"]) == expected

        self.historical.wait_for(served, 90)

    def visible_segments(self, data_source):
        """How many the real Broker knows that no newer ones stand before."""
        query = (
            f"SELECT COUNT(*) AS c FROM sys.segments WHERE datasource = '{data_source}' "
            "AND is_active = 1 AND is_overshadowed = 0"
        )
        return self.java.broker.sql(query)[0]["c"]
