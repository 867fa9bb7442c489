"""The kinds of faults: what happens to the cluster while its tasks run, and how it is put right again."""

import contextlib
import time
from collections.abc import Callable

import psutil
from attrs import frozen
from tests.scenarios.faults.network import cut_off


@frozen
class Kind:
    """`strike(world, rng, note)` does the damage and mends it; `may_fail`: a task may end as FAILED by it.

    `needs` names what the cluster has to be made with, see `world.py`. `lasts`: it goes on for as long as the tasks
    run, so it comes when all are submitted. `slow`: a run takes a minute or more.
    """

    name: str
    strike: Callable
    may_fail: bool = False
    needs: str = "plain"
    lasts: bool = False
    slow: bool = False


KINDS = {}


def kind(name, **options):
    def add(strike):
        KINDS[name] = Kind(name, strike, **options)
        return strike

    return add


def _pause(rng, low, high):
    time.sleep(rng.uniform(low, high))


@kind("overlord-leader")
def kill_leader(world, rng, note):
    """Kill -9 of the leading Overlord; it comes back as a standby."""
    leader = world.cluster.leader("overlord")
    note(f"kill -9 {leader.name}, which leads")
    leader.kill(with_children=rng.random() < 0.5)
    _pause(rng, 0, 4)
    leader.start()


@kind("overlord-standby")
def kill_standby(world, rng, note):
    """Kill -9 of the Overlord that does not lead."""
    leader = world.cluster.leader("overlord")
    standby = next(each for each in world.cluster.with_role("overlord") if each is not leader)
    note(f"kill -9 {standby.name}, which does not lead")
    standby.kill()
    _pause(rng, 0, 3)
    standby.start()


@kind("middle-manager", may_fail=True)
def kill_worker(world, rng, note):
    """Kill -9 of a MiddleManager; its peons find out by themselves, or are killed too."""
    worker = rng.choice(world.cluster.with_role("middleManager"))
    with_peons = rng.random() < 0.3
    note(f"kill -9 {worker.name}{' with its peons' if with_peons else ''}")
    worker.kill(with_children=with_peons)
    _pause(rng, 0, 9)  # the clean-up timeout lies between
    worker.start()


@kind("peon", may_fail=True)
def kill_peon(world, rng, note):
    """Kill -9 of one or two tasks' processes."""
    for _ in range(rng.randint(1, 2)):
        peons = [peon for worker in world.cluster.with_role("middleManager") for peon in worker.peons()]
        if peons:
            victim = rng.choice(peons)
            with contextlib.suppress(psutil.NoSuchProcess):
                note(f"kill -9 of one of {len(peons)} peons")
                victim.kill()
        _pause(rng, 0, 1)


@kind("zookeeper")
def kill_zookeeper(world, rng, note):
    """Kill -9 of ZooKeeper; it comes back before or after all sessions have run out."""
    note("kill -9 of ZooKeeper")
    world.zookeeper.kill()
    _pause(rng, 0, 7)
    world.zookeeper.start()


@kind("postgresql")
def kill_postgresql(world, rng, note):
    """Kill -9 of PostgreSQL."""
    note("kill -9 of PostgreSQL")
    world.postgresql.kill()
    _pause(rng, 0, 5)
    world.postgresql.start()


@kind("postgresql-away", slow=True)
def take_postgresql_away(world, rng, note):
    """Kill -9 of PostgreSQL, for longer than an Overlord tries a transaction again."""
    note("kill -9 of PostgreSQL")
    world.postgresql.kill()
    _pause(rng, 20, 40)
    world.postgresql.start()
    note("PostgreSQL is back")


@kind("frozen-overlord")
def freeze_leader(world, rng, note):
    """SIGSTOP of the leading Overlord until its session or lease is over, and another leads; then it wakes up."""
    leader = world.cluster.leader("overlord")
    note(f"SIGSTOP {leader.name}, which leads")
    leader.freeze()
    try:
        others = [each for each in world.cluster.with_role("overlord") if each is not leader]
        others[0].wait_for(lambda: others[0].get("/druid/indexer/v1/isLeader")["leader"], 60)
        _pause(rng, 0, 3)
    finally:
        leader.thaw()


@kind("frozen-worker", may_fail=True)
def freeze_worker(world, rng, note):
    """SIGSTOP of a MiddleManager, its peons going on or not, until its session is over; then it wakes up."""
    worker = rng.choice(world.cluster.with_role("middleManager"))
    with_peons = rng.random() < 0.5
    note(f"SIGSTOP {worker.name}{' with its peons' if with_peons else ''}")
    worker.freeze(with_children=with_peons)
    try:
        _pause(rng, 1, 12)
    finally:
        worker.thaw()


@kind("partition", may_fail=True)
def cut_off_worker(world, rng, note):
    """The Overlords reach a MiddleManager no more, which reaches them and ZooKeeper."""
    worker = rng.choice(world.cluster.with_role("middleManager"))
    note(f"no packets to {worker.name}")
    with cut_off(worker.ports["middleManager"]):
        _pause(rng, 1, 10)


@kind("full-disk", may_fail=True, needs="small-disk")
def fill_disk(world, rng, note):
    """The disk of a MiddleManager's tasks is full for a while."""
    worker = world.cluster["worker1"]
    filler = worker.data / "tasks" / "filler"
    note(f"the disk of {worker.name} is full")
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(rng.choice((512, 4096, 65536))))
    try:
        _pause(rng, 1, 6)
    finally:
        filler.unlink(missing_ok=True)


@kind("flaky-storage", needs="flaky-storage", lasts=True)
def flaky_storage(world, rng, note):
    """The deep storage refuses one request in three for as long as the tasks run."""
    world.storage_proxy.one_in = 3
    before = world.storage_proxy.refused
    world.wait_for_jobs()
    note(f"{world.storage_proxy.refused - before} requests to deep storage refused")
    world.storage_proxy.one_in = 0


@kind("slow-metadata", needs="slow-metadata", lasts=True)
def slow_metadata(world, rng, note):
    """Each answer of the metadata store takes its time, for as long as the tasks run."""
    most = rng.uniform(0.02, 0.15)
    note(f"up to {most * 1000:.0f} ms more for each piece of data from and to the metadata store")
    world.metadata_proxy.delay_s = lambda: rng.uniform(0, most)
    try:
        world.wait_for_jobs()
    finally:
        world.metadata_proxy.delay_s = lambda: 0.0
