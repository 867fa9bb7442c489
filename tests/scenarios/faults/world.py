"""The cluster that faults happen to: two Overlords, two MiddleManagers, and what serves the data."""

import contextlib
import itertools
import random
import re
import time
from datetime import datetime

import psutil
import sqlalchemy
from tests.scenarios.faults.network import RefusingProxy, TcpProxy, small_disk
from tests.scenarios.faults.workload import InputServer, make_jobs
from tests.scenarios.processes import Cluster, metadata_discovery, postgresql_metadata, zookeeper_discovery
from tests.servers.postgresql import PostgreSqlServer
from tests.servers.s3 import S3Server
from tests.servers.zookeeper import ZooKeeperServer

#: Short, so that a run takes about as long as what it tests.
TIMEOUTS = {
    "druid.indexer.runner.taskCleanupTimeout": "PT6S",
    "druid.indexer.runner.taskAssignmentTimeout": "PT20S",
    "druid.indexer.runner.syncRequestTimeout": "PT2S",
    "druid.indexer.runner.taskShutdownLinkTimeout": "PT3S",
    "druid.indexer.queue.storageSyncRate": "PT2S",
    "druid.coordinator.period": "PT1S",
    "druid.coordinator.period.metadataStoreManagementPeriod": "PT1S",
    "druid.manager.segments.pollDuration": "PT1S",
}
_LEASES = {
    "druid.discovery.metadata.leaseDuration": "PT3S",
    "druid.discovery.metadata.nodeTimeout": "PT4S",
    "druid.discovery.metadata.pollPeriod": "PT0.5S",
}
_END_LIMIT_S = 120
_LEADS = re.compile(r"^(\S+) .*This Overlord (leads in term|no longer leads)", re.MULTILINE)


class World:
    """Made once for many runs; a context manager. `needs` is what a kind of fault needs, see `kinds.py`."""

    def __init__(self, folder, *, runner="httpRemote", discovery="curator", needs="plain"):
        self._stack = contextlib.ExitStack()
        self.folder = folder
        self.runner, self.discovery, self.needs = runner, discovery, needs
        self.jobs = []
        self._numbers = itertools.count(1)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception):
        self._stack.__exit__(*exception)

    def _build(self, stack):
        self.inputs = InputServer()
        stack.callback(self.inputs.close)
        self.postgresql = stack.enter_context(PostgreSqlServer())
        self.zookeeper = stack.enter_context(ZooKeeperServer()) if self.discovery == "curator" else None
        database = self.postgresql.create_database()
        self._engine = self.postgresql.engine(database)
        stack.callback(self._engine.dispose)
        metadata = postgresql_metadata(self.postgresql, database)
        common = {**TIMEOUTS, "druid.indexer.runner.type": self.runner}
        if self.needs == "slow-metadata":
            self.metadata_proxy = TcpProxy(self.postgresql.port)
            stack.callback(self.metadata_proxy.close)
            uri = metadata["druid.metadata.storage.connector.connectURI"]
            metadata["druid.metadata.storage.connector.connectURI"] = uri.replace(
                f":{self.postgresql.port}/", f":{self.metadata_proxy.port}/"
            )
        if self.needs == "flaky-storage":
            common |= self._flaky_storage(stack)
        self.cluster = stack.enter_context(Cluster(self.folder, self._discovery(), metadata, common=common))
        for name in ("overlord1", "overlord2"):
            self.cluster.add(name, "overlord")
        for name in ("worker1", "worker2"):
            self.cluster.add(name, "middleManager", {"druid.worker.capacity": "6"})
        if self.needs == "small-disk":
            stack.enter_context(small_disk(self.cluster["worker1"].data / "tasks", "3m"))
        self.cluster.add("data", "coordinator", "historical", "broker")
        self.cluster.start(limit_s=120)
        self.cluster.wait_for(lambda: len(self.cluster.overlord.get("/druid/indexer/v1/workers")) == 2)

    def _discovery(self):
        if self.discovery == "metadata":
            return metadata_discovery(**_LEASES)
        return zookeeper_discovery(self.zookeeper, session_timeout_ms=3000)

    def _flaky_storage(self, stack):
        s3 = stack.enter_context(S3Server())
        bucket = s3.create_bucket("druid")
        self.storage_proxy = RefusingProxy(s3.port, seed=1, one_in=0)
        stack.callback(self.storage_proxy.close)
        return {
            **s3.properties(),
            "druid.s3.endpoint.url": f"http://127.0.0.1:{self.storage_proxy.port}",
            "druid.storage.type": "s3",
            "druid.storage.bucket": bucket,
            "druid.storage.disableAcl": "true",
            "druid.indexer.logs.type": "s3",
            "druid.indexer.logs.s3Bucket": bucket,
            "druid.indexer.logs.disableAcl": "true",
        }

    # ---- one run

    def run(self, kind, seed):
        """Submit tasks, let the fault happen at a random moment, check what came of it; return what happened."""
        rng = random.Random(f"{kind.name}-{seed}")
        name = f"r{next(self._numbers)}x{seed}"
        self.jobs = make_jobs(rng, name, self.inputs)
        began, notes = time.monotonic(), []

        def note(text):
            notes.append(f"{time.monotonic() - began:.1f} s: {text}")

        after = rng.randrange(len(self.jobs) + 1)
        if kind.lasts:
            after = len(self.jobs)
        for number, job in enumerate(self.jobs):
            if number == after:
                self._strike(kind, rng, note)
            self.cluster.wait_for(lambda job=job: job.submit(self.cluster.overlord), _END_LIMIT_S)
        if after == len(self.jobs):
            self._strike(kind, rng, note)
        self.wait_for_jobs()
        self.verify(kind)
        return {
            "notes": notes,
            "tasks": {job.id: job.status if job.error is None else f"{job.status}: {job.error}" for job in self.jobs},
            "seconds": round(time.monotonic() - began, 1),
        }

    def _strike(self, kind, rng, note):
        time.sleep(rng.uniform(0, 2.5))
        kind.strike(self, rng, note)

    def wait_for_jobs(self):
        """Wait until all tasks that were taken have ended."""
        for job in self.jobs:
            status = self.cluster.overlord.wait_for_task(job.id, _END_LIMIT_S)
            job.status, job.error = status["statusCode"], status["errorMsg"]

    # ---- the checks

    def verify(self, kind):
        """Raise AssertionError unless each acknowledged row is there once, and nothing is left over."""
        failed = {job.id: job.error for job in self.jobs if job.status != "SUCCESS"}
        assert kind.may_fail or not failed, f"failed, although nothing that they need was lost: {failed}"
        for job in self.jobs:
            if job.data_source is not None:
                self._verify_rows(job)
        self.cluster.wait_for(self._is_quiet, 60)
        self._verify_leaders(kind)

    def _verify_rows(self, job):
        query = f"SELECT COUNT(*) AS c, SUM(n) AS s FROM \"{job.data_source}\" WHERE task = '{job.id}'"
        if job.status != "SUCCESS":
            used = self._used_segments(job.data_source)
            if job.data_source == job.id:
                assert used == 0, f"{job.id} has failed and left {used} segments"
            elif used:
                (found,) = self.cluster.broker.sql(query)
                assert found["c"] == 0, f"{job.id} has failed and left rows: {found}"
            return
        seen = None

        def is_there():
            nonlocal seen
            (seen,) = self.cluster.broker.sql(query)
            return seen == job.expected

        try:
            self.cluster.wait_for(is_there, 60)
        except AssertionError as error:
            raise AssertionError(f"{job.id}: rows {seen}, not {job.expected}\n{error}") from None

    def _used_segments(self, data_source):
        return self._scalar("SELECT COUNT(*) FROM druid_segments WHERE used AND datasource = :d", d=data_source)

    def _is_quiet(self):
        """No active task, no lock, no pending segment, no slot in use, no peon."""
        left = {
            "active tasks": self._scalar("SELECT COUNT(*) FROM druid_tasks WHERE active"),
            "locks": self._scalar("SELECT COUNT(*) FROM druid_tasklocks"),
            "pending segments": self._scalar("SELECT COUNT(*) FROM druid_pendingsegments"),
            "slots in use": sum(
                worker["currCapacityUsed"] for worker in self.cluster.overlord.get("/druid/indexer/v1/workers")
            ),
            "peons": sum(len(worker.peons()) for worker in self.cluster.with_role("middleManager")),
            "orphans": len(self._orphans()),
        }
        if any(left.values()):
            raise ValueError(f"left over: { {what: count for what, count in left.items() if count} }")
        return True

    def _scalar(self, query, **parameters):
        with self._engine.connect() as connection:
            return connection.execute(sqlalchemy.text(query), parameters).scalar()

    def _orphans(self):
        """Peons whose template has gone."""
        marks = [str(worker.data / "tasks") for worker in self.cluster.with_role("middleManager")]
        found = []
        for process in psutil.process_iter(["ppid", "cmdline"]):
            words = process.info["cmdline"] or []
            if process.info["ppid"] == 1 and any(mark in word for mark in marks for word in words):
                found.append(process)
        return found

    def _verify_leaders(self, kind):
        """One leads now; and, but for one that was frozen, no two ever led at the same time."""
        self.cluster.wait_for(lambda: len(self.cluster.leaders("overlord")) == 1)
        if kind.name == "frozen-overlord":
            return  # what a frozen one believes of itself does not count; what it does, the rows have told
        spans = sorted(span for each in self.cluster.with_role("overlord") for span in terms(each))
        for (_, end, one), (start, _, other) in itertools.pairwise(spans):
            assert one == other or end <= start, f"{one} led until {end}, {other} from {start} on"


def terms(process):
    """When the process led, by its log: (from, to, name)."""
    spans, start = [], None
    for match in _LEADS.finditer(process.log):
        moment = datetime.fromisoformat(match[1])
        if match[2].startswith("leads"):
            start = moment  # one that was killed has not said that it ended
        elif start is not None:
            spans.append((start, moment, process.name))
            start = None
    return spans
