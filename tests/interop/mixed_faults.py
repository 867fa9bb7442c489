"""Runs of faults in a cluster of Java and Python processes: ``python -m tests.interop.mixed_faults --runs 10``.

As `tests.scenarios.faults.run`, whose results it adds to; the kinds are below. Needs what the interop tests need.
"""

import argparse
import contextlib
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy
from tests.interop.mixed import MixedCluster
from tests.scenarios.api import NOT_YET
from tests.scenarios.faults.run import RESULTS, recorded
from tests.servers.postgresql import PostgreSqlServer
from tests.servers.zookeeper import ZooKeeperServer

_END_LIMIT_S = 240
_TASKS = "/druid/indexer/v1"


def kill_java_overlord(world, rng, note):
    """The Java Overlord and Coordinator; ours take over, if they did not lead already."""
    note("kill -9 of the Java Coordinator and Overlord")
    world.java.coordinator.kill()
    time.sleep(rng.uniform(0, 8))
    world.java.coordinator.start()


def kill_our_overlord(world, rng, note):
    """Ours; the Java ones take over, if they did not lead already."""
    note("kill -9 of our Coordinator and Overlord")
    world.masters.kill()
    time.sleep(rng.uniform(0, 8))
    world.masters.start()


def kill_our_worker(world, rng, note):
    """Our MiddleManager, its peons left to find out."""
    note("kill -9 of our MiddleManager")
    world.worker.kill()
    time.sleep(rng.uniform(0, 8))
    world.worker.start()


def kill_java_worker(world, rng, note):
    """The Java MiddleManager, its peons left to find out."""
    note("kill -9 of the Java MiddleManager")
    world.java.worker.kill()
    time.sleep(rng.uniform(0, 8))
    world.java.worker.start()


def kill_zookeeper(world, rng, note):
    """ZooKeeper, for less or more than the sessions last."""
    note("kill -9 of ZooKeeper")
    world.zookeeper.kill()
    time.sleep(rng.uniform(0, 9))
    world.zookeeper.start()


def kill_postgresql(world, rng, note):
    """PostgreSQL, which both Overlords stand on."""
    note("kill -9 of PostgreSQL")
    world.postgresql.kill()
    time.sleep(rng.uniform(0, 5))
    world.postgresql.start()


#: Kind → what strikes, and whether a task may fail by it.
KINDS = {
    "java-overlord": (kill_java_overlord, False),
    "overlord-beside-java": (kill_our_overlord, False),
    "worker-of-java": (kill_our_worker, True),
    "java-worker": (kill_java_worker, True),
    "zookeeper-with-java": (kill_zookeeper, False),
    "postgresql-with-java": (kill_postgresql, False),
}


def run(world, kind, seed):
    """One run; raises AssertionError when something is not as it should be."""
    strike, may_fail = KINDS[kind]
    rng = random.Random(f"{kind}-{seed}")
    names = [f"f{seed}_{kind.replace('-', '_')}_{n}" for n in range(2)]
    began, notes = time.monotonic(), []
    tasks = [{"id": name, **world.index_parallel(name)} for name in names]
    tasks.append({"type": "noop", "id": f"{names[0]}_noop", "dataSource": "noops", "runTime": rng.randrange(20_000)})
    for task in tasks:
        world.wait_for(lambda task=task: world.submit_once(task))
    time.sleep(rng.uniform(0, 15))
    strike(world, rng, lambda text: notes.append(f"{time.monotonic() - began:.1f} s: {text}"))
    ends = {}
    for task in tasks:
        status = world.wait_for(lambda task=task: world.ended(task["id"]), _END_LIMIT_S)
        ends[task["id"]] = status["statusCode"] + (f": {status['errorMsg']}" if status["errorMsg"] else "")
    failed = {task_id: end for task_id, end in ends.items() if end != "SUCCESS"}
    assert may_fail or not failed, f"failed, although nothing that they need was lost: {failed}"
    for name in names:
        if ends[name] == "SUCCESS":
            world.check_rows(name)
        else:
            used = world.scalar("SELECT COUNT(*) FROM druid_segments WHERE used AND datasource = :d", d=name)
            assert used == 0, f"{name} has failed and left {used} segments"
    world.wait_for(world.is_quiet)
    return {"notes": notes, "tasks": ends, "seconds": round(time.monotonic() - began, 1)}


class MixedWorld(MixedCluster):
    """The cluster, whose servers may be killed."""

    def __init__(self, folder, home, *, runner, offset):
        self.zookeeper, self.postgresql = ZooKeeperServer(), PostgreSqlServer()
        self.zookeeper.start()
        self.postgresql.start()
        judge = argparse.Namespace(home=home)
        super().__init__(folder, judge, self.zookeeper, self.postgresql, runner=runner, offset=offset)
        uri = self.ours.common["druid.metadata.storage.connector.connectURI"].rpartition("/")[2]
        self._engine = self.postgresql.engine(uri)

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self._engine.dispose()
        self.postgresql.close()
        self.zookeeper.close()

    def scalar(self, query, **parameters):
        with self._engine.connect() as connection:
            return connection.execute(sqlalchemy.text(query), parameters).scalar()

    def is_quiet(self):
        """No active task, no lock, no slot in use, no peon of ours, one leader."""
        leaders = [each.url for each in (self.java.coordinator, self.masters) if self.leads_tasks(each)]
        left = {
            "active tasks": self.scalar("SELECT STRING_AGG(id, ', ') FROM druid_tasks WHERE active"),
            "locks": self.scalar("SELECT COUNT(*) FROM druid_tasklocks"),
            "slots in use": sum(
                worker["currCapacityUsed"] for worker in self.first_answer(lambda api: api.get(f"{_TASKS}/workers"))
            ),
            "peons": len(self.worker.peons()),
            "leaders": leaders if len(leaders) != 1 else None,
        }
        if any(left.values()):
            raise ValueError(f"left over: { {what: found for what, found in left.items() if found} }")
        return True

    @staticmethod
    def leads_tasks(api):
        with contextlib.suppress(*NOT_YET):
            return api.get(f"{_TASKS}/isLeader")["leader"]
        return False

    def masters_that_answer(self):
        return [self.java.coordinator, *([self.masters] if self.masters.is_running else [])]

    def wait_for(self, done, limit_s=120):
        """Wait for what either half tells; what is down for the moment counts as not yet."""
        return self.java.coordinator.wait_for(done, limit_s)

    def first_answer(self, ask):
        last = None
        for api in self.masters_that_answer():
            try:
                return ask(api)
            except OSError as error:
                last = error
        raise last or OSError("nobody is there")

    def submit_once(self, task):
        try:
            return self.first_answer(lambda api: api.submit(task))
        except OSError as error:
            if "already exists" in str(error):
                return task["id"]
            raise

    def ended(self, task_id):
        status = self.first_answer(lambda api: api.status(task_id))
        return status if status["statusCode"] != "RUNNING" else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], help="by default all, one after the other")
    parser.add_argument("--runs", type=int, default=10, help="how many in all")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--runner", default="httpRemote", choices=["httpRemote", "remote"])
    parser.add_argument("--offset", type=int, default=16_000, help="added to Druid's ports for the Java processes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    home = Path(os.environ.get("REAL_DRUID_HOME", Path.home() / ".cache" / "real-druid"))
    kinds = options.kinds or list(KINDS)
    wanted = [(kinds[number % len(kinds)], options.seed + number) for number in range(options.runs)]
    failed = 0
    while wanted:
        folder = Path(tempfile.mkdtemp(prefix="nemeton-mixed-faults-"))
        with MixedWorld(folder, home, runner=options.runner, offset=options.offset) as world:
            while wanted:
                kind, seed = wanted.pop(0)
                if not run_once(world, kind, seed, options):
                    failed += 1
                    print(f"    its logs are in {folder}", flush=True)
                    break  # what it left would spoil the next run
    return min(failed, 1)


def run_once(world, kind, seed, options):
    entry = {"kind": kind, "seed": seed, "runner": options.runner, "discovery": "curator"}
    entry = recorded(entry, lambda: run(world, kind, seed), options.results)
    print(f"{kind} seed {seed}: {entry['outcome'][:100]}; {entry['notes']}; {entry['tasks']}", flush=True)
    return entry["outcome"] == "ok"


if __name__ == "__main__":
    sys.exit(main())
