"""`python -m benchmarks.scale`: an Overlord, ours or the real one, with a thousand workers and ten thousand tasks.

Each run has a new PostgreSQL database (filled before), a new ZooKeeper and a new fleet; the Overlord is alone in its
process, starts, finds tasks in its store and workers in ZooKeeper, and is asked through its API while it works.
"""

from __future__ import annotations

import contextlib
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import click
import psutil
from attrs import define, field, frozen
from tests.servers.postgresql import PostgreSqlServer
from tests.servers.zookeeper import ZooKeeperServer

from benchmarks.overlords import OVERLORDS, Overlord
from benchmarks.probe import ApiProbe, Memory, cpu_seconds
from benchmarks.report import machine
from benchmarks.sides import REPO, work_folder
from benchmarks.task_rows import count_active, fill

_LOOK_EVERY_S = 0.25
_START_LIMIT_S = 300.0
WANTED = {1: 10.0, 8: 3.0}
"""By assignment threads: how many times the real Overlord's assignments per second."""


@frozen(kw_only=True)
class Size:
    """How much there is to do."""

    workers: int = 1000
    pending: int = 10_000
    completed: int = 100_000
    capacity: int = 10
    run_ms: int = 1000

    def half(self) -> Size:
        """What is tried when this was too much."""
        return attrs.evolve(self, workers=self.workers // 2, pending=self.pending // 2, completed=self.completed // 2)


@frozen(kw_only=True)
class Setting:
    """One row of the table: who, how, and how much."""

    side: str
    protocol: str
    threads: int
    size: Size


@define
class Result:
    """What was measured. Milliseconds of the API are p50 and p99."""

    setting: Setting
    completes: bool
    assigned: int = 0
    assignments_per_s: float = 0.0
    ends_per_s: float = 0.0
    until_first_s: float = 0.0
    assigned_twice: int = 0
    pss_mib: float = 0.0
    cpu_s: dict[str, float] = field(factory=dict)
    api_ms: dict[str, tuple[float, float]] = field(factory=dict)
    failures: int = 0
    load: float = 0.0


class Fleet:
    """The process of `benchmarks.fleet`; a context manager."""

    def __init__(self, zk: str, setting: Setting, port: int, log: Path) -> None:
        size = setting.size
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "benchmarks.fleet", f"--zk={zk}", f"--protocol={setting.protocol}",
                f"--workers={size.workers}", f"--capacity={size.capacity}", f"--run-ms={size.run_ms}", f"--port={port}",
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=REPO,
        )  # fmt: skip

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The fleet has ended; see {self._log.name}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def report(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        return self._line()

    def __enter__(self) -> Fleet:
        self._line()
        return self

    def __exit__(self, *failure: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._log.close()


@contextlib.contextmanager
def _stopping(overlord: Overlord) -> Iterator[Overlord]:
    try:
        overlord.start()
        yield overlord
    finally:
        overlord.stop()


def run(setting: Setting, folder: Path, port: int, limit_s: float) -> Result:
    """One run. A run that does not come to its end within the limit, or breaks, has `completes` False."""
    folder.mkdir(parents=True, exist_ok=True)
    result = Result(setting, completes=False, load=psutil.getloadavg()[0])
    with contextlib.ExitStack() as stack:
        zookeeper = stack.enter_context(ZooKeeperServer())
        postgresql = stack.enter_context(PostgreSqlServer(max_connections="200"))
        database = postgresql.create_database()
        fill(postgresql, database, setting.size.pending, setting.size.completed)
        fleet = stack.enter_context(Fleet(zookeeper.connect_string, setting, port, folder / "fleet.log"))
        overlord = OVERLORDS[setting.side](folder, port + 1, zookeeper, postgresql, database)
        overlord.properties |= {
            "druid.indexer.runner.type": setting.protocol,
            "druid.indexer.runner.pendingTasksRunnerNumThreads": str(setting.threads),
        }
        began = time.time()
        stack.enter_context(_stopping(overlord))
        process = psutil.Process(overlord.pid)
        servers = {"overlord": process, "zookeeper": _of(zookeeper), "postgresql": _of(postgresql)}
        cpu_before = {name: cpu_seconds(each) for name, each in servers.items()}
        with ApiProbe(overlord.url, setting.size.pending) as probe, Memory(process) as memory:
            report = _work(fleet, lambda: count_active(postgresql, database), setting.size.pending, limit_s, result)
        result.cpu_s = {name: cpu_seconds(each) - cpu_before[name] for name, each in servers.items()}
        result.cpu_s["fleet"] = report["cpu_s"]
        result.pss_mib = memory.peak / 2**20
        result.api_ms, result.failures = probe.latencies(), probe.failures
        _rates(result, report, began)
    return result


def _of(server: Any) -> psutil.Process:
    return psutil.Process(server.process.pid)


def _work(fleet: Fleet, active: Any, pending: int, limit_s: float, result: Result) -> dict[str, Any]:
    """Wait until all tasks have been assigned and their ends are in the store; return the fleet's last report."""
    began = time.monotonic()
    while True:
        time.sleep(_LOOK_EVERY_S)
        report = fleet.report()
        left = active()
        if left == 0:
            result.completes = report["assigned"] == pending
            report["recorded"] = time.time()
            return report
        took = time.monotonic() - began
        if took > limit_s or (report["assigned"] == 0 and took > _START_LIMIT_S):
            print(f"    gave up after {took:.0f} s: {report['assigned']} assigned, {left} not recorded as ended")
            report["recorded"] = time.time()
            return report


def _rates(result: Result, report: dict[str, Any], began: float) -> None:
    result.assigned, result.assigned_twice = report["assigned"], report["twice"]
    if report["assigned"] > 1:
        result.assignments_per_s = (report["assigned"] - 1) / max(1e-3, report["last"] - report["first"])
        result.ends_per_s = report["ended"] / max(1e-3, report["recorded"] - report["first"])
        result.until_first_s = report["first"] - began


def largest(setting: Setting, folder: Path, port: int, limit_s: float) -> Result:
    """Run at this size, then at half of it, until a run comes to its end, or little is left."""
    while True:
        result = run(setting, folder, port, limit_s)
        show(result)
        if result.completes or setting.size.workers < 20:
            return result
        setting = attrs.evolve(setting, size=setting.size.half())


_HEAD = (
    "side     protocol   threads workers pending completed | assigned/s  ended/s  first after | PSS MiB | "
    "CPU s: overlord fleet   pg   zk | p50/p99 ms: status       workers         tasks"
)


def show(result: Result) -> None:
    """One line of the table."""
    of, size, cpu = result.setting, result.setting.size, result.cpu_s
    columns = [
        f"{of.side:8} {of.protocol:10} {of.threads:7} {size.workers:7} {size.pending:7} {size.completed:9} |",
        f"{result.assignments_per_s:10.1f} {result.ends_per_s:8.1f} {result.until_first_s:10.1f} s |",
        f"{result.pss_mib:7.0f} | {cpu['overlord']:15.1f} {cpu['fleet']:5.1f} {cpu['postgresql']:4.0f}",
        f"{cpu['zookeeper']:4.0f} |     ",
        *(f"{p50:6.0f}/{p99:6.0f}" for p50, p99 in result.api_ms.values()),
        "" if result.completes else "NOT COMPLETED",
        f"{result.assigned_twice} ASSIGNED TWICE" if result.assigned_twice else "",
    ]
    print(" ".join(columns).rstrip(), flush=True)


def ratios(results: list[Result]) -> list[dict[str, Any]]:
    """The ratios of medians, by protocol and threads, where both sides were run; with what they are made of."""
    found = []
    for protocol, threads in sorted({(each.setting.protocol, each.setting.threads) for each in results}):
        here = [e for e in results if (e.setting.protocol, e.setting.threads) == (protocol, threads)]
        rates = {side: [e.assignments_per_s for e in here if e.setting.side == side] for side in OVERLORDS}
        medians = {side: statistics.median(each) for side, each in rates.items() if each}
        if all(medians.get(side) for side in OVERLORDS):
            ratio = medians["nemeton"] / medians["druid"]
            known = {"protocol": protocol, "threads": threads, "ratio": ratio, "wanted": WANTED.get(threads)}
            found.append(known | {"medians": medians, "assignments_per_s": rates})
    return found


def compare(results: list[Result]) -> None:
    """Print each side's median and single runs, and the ratios of the medians."""
    for each in ratios(results):
        what = f"{each['protocol']}, {each['threads']} threads"
        for side, median in each["medians"].items():
            runs = ", ".join(f"{rate:.0f}" for rate in each["assignments_per_s"][side])
            print(f"{what}: {side:8} {median:6.0f} assignments/s, the median of {runs}")
        wanted = each["wanted"]
        verdict = "" if wanted is None else "holds" if each["ratio"] >= wanted else "MISSED"
        ratio = f"{each['ratio']:.1f} times the real Overlord's assignments per second"
        print(f"{what}: {ratio} (wanted: {wanted}) {verdict}".rstrip(), flush=True)


@click.command()
@click.option("--workers", default=1000, show_default=True)
@click.option("--pending", default=10_000, show_default=True)
@click.option("--completed", default=100_000, show_default=True)
@click.option("--capacity", default=10, show_default=True, help="slots of each worker")
@click.option("--run-ms", default=1000, show_default=True, help="how long tasks pretend to run")
@click.option("--protocol", "protocols", multiple=True, type=click.Choice(["httpRemote", "remote"]))
@click.option("--threads", multiple=True, type=int, help="pendingTasksRunnerNumThreads; 1 is the default of both")
@click.option("--side", "sides", multiple=True, type=click.Choice([*OVERLORDS]))
@click.option("--runs", default=3, show_default=True, help="of each side in turn, at 1 thread: medians are compared")
@click.option("--runs-tuned", default=1, show_default=True, help="the same, at more threads")
@click.option("--limit-s", default=900.0, show_default=True, help="for each run, which counts as too large after that")
@click.option("--port", default=41_000, show_default=True)
@click.option("--save", type=click.Path(path_type=Path), default=Path(__file__).parent / "results", show_default=True)
def main(
    protocols: tuple[str, ...],
    threads: tuple[int, ...],
    sides: tuple[str, ...],
    runs: int,
    runs_tuned: int,
    limit_s: float,
    port: int,
    save: Path,
    **size: int,
) -> None:
    """Measure both Overlords over the fake fleet in alternating runs; print every run, medians and their ratios."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that was started is stopped
    results: list[Result] = []
    print(_HEAD, flush=True)
    for protocol in protocols or ("httpRemote", "remote"):
        for count in threads or (1, 8):
            for side in [*(sides or OVERLORDS)] * (runs if count == 1 else runs_tuned):
                setting = Setting(side=side, protocol=protocol, threads=count, size=Size(**size))
                folder = work_folder() / "scale" / f"{side}-{protocol}-{count}"
                results.append(largest(setting, folder, port, limit_s))
                _save(results, save)  # what is known, should a later run be broken off
    compare(results)


def _save(results: list[Result], folder: Path) -> None:
    record = {
        "runs": [attrs.asdict(each) for each in results],
        "ratios": ratios(results),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scale.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
