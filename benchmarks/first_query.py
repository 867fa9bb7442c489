"""`python -m benchmarks first_query`: the first statement after a start beside the same one warm; opening."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import click
from attrs import frozen

from benchmarks.queries import Broker, QueriedNemeton, prepare
from benchmarks.report import machine
from benchmarks.sides import Side, work_folder
from benchmarks.statements import STATEMENTS, Statement

_OFFSET, _DRUID_OFFSET = 15_000, 25_000
_SETTLE_S = 1.0  # what a load sets off, as the Broker's question for columns, is then over
_CACHE_VARIABLE = "NUMBA_CACHE_DIR"
#: Those that need the most different kernels.
DEFAULT = ("four sums, LIKE filter", "TPC-H Q1", "top 100 parts, filtered", "group by three dimensions")
WARM, COLD = "kernels on disk", "no kernels yet"


@frozen
class FirstQuery:
    """One statement, asked right after a start and then again and again, in milliseconds."""

    statement: str
    kernels: str
    first_ms: float
    warm_ms: float
    """The fastest of those that followed."""

    @property
    def over_ms(self) -> float:
        """What the first one took more."""
        return self.first_ms - self.warm_ms


@frozen
class Opening:
    """What opening segments read.

    `read`: bytes, by calls; `faults`: pages that were touched and not in memory; `resident`: bytes of the files that
    were in memory after it: the pages touched, with what the system reads ahead of each.
    """

    segments: int
    size: int
    read: int
    faults: int
    resident: int


def measure(base: Path, statement: Statement, kernels: str, runs: int) -> FirstQuery:
    """Start our cluster, wait until all is served, ask."""
    side = QueriedNemeton(base / "nemeton", _OFFSET)
    with side.running():
        wait_until_served(side)
        broker = Broker(side)
        first = broker.ask(statement.sql)[0]
        warm = min(broker.ask(statement.sql)[0] for _ in range(runs))
    return FirstQuery(statement.name, kernels, first, warm)


def wait_until_served(side: Side) -> None:
    """Without any query: by what the Coordinator and the Broker say of segments."""

    def served() -> bool:
        try:
            status = side.get("/druid/coordinator/v1/loadstatus", "coordinator")
            return status == {"lineitem": 100.0} and "lineitem" in side.get("/druid/v2/datasources", "broker")
        except OSError:
            return False

    side.wait_until(served, "loading of lineitem", pace_s=0.1)
    time.sleep(_SETTLE_S)


def compile_kernels(base: Path) -> None:
    """Have everything compiled that the statements use, on disk."""
    side = QueriedNemeton(base / "nemeton", _OFFSET)
    with side.running():
        wait_until_served(side)
        broker = Broker(side)
        for _ in range(4):
            for statement in STATEMENTS:
                broker.ask(statement.sql)
            time.sleep(2)  # kernels are compiled beside queries


def with_empty_cache(base: Path, statement: Statement, runs: int) -> FirstQuery:
    """As `measure`, of a server that finds no compiled kernels."""
    folder, before = tempfile.mkdtemp(prefix="nemeton-kernels-"), os.environ.get(_CACHE_VARIABLE)
    os.environ[_CACHE_VARIABLE] = folder
    try:
        return measure(base, statement, COLD, runs)
    finally:
        if before is None:
            del os.environ[_CACHE_VARIABLE]
        else:
            os.environ[_CACHE_VARIABLE] = before
        shutil.rmtree(folder, ignore_errors=True)


def opening(folders: Sequence[Path]) -> Opening:
    """Open segments whose files the system holds nothing of. Linux."""
    from nemeton.segment.index import QueryableIndex

    files = [file for folder in folders for file in folder.iterdir()]
    QueryableIndex.open(folders[0]).close()  # what is imported late is there now
    for file in files:
        _forget(file)
    before, faults = _bytes_read(), resource.getrusage(resource.RUSAGE_SELF).ru_majflt
    opened = [QueryableIndex.open(folder) for folder in folders]
    read = _bytes_read() - before
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_majflt - faults
    resident = sum(resident_bytes(file) for file in files)
    for index in opened:
        index.close()
    return Opening(len(folders), sum(file.stat().st_size for file in files), read, faults, resident)


def _forget(file: Path) -> None:
    """Have the system drop the file from memory."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _bytes_read() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"])


def resident_bytes(file: Path) -> int:
    """How much of a file is in memory, whoever brought it there."""
    size = file.stat().st_size
    if not size:
        return 0
    pages = -(-size // mmap.PAGESIZE)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), size, flags=mmap.MAP_PRIVATE) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        vector = (ctypes.c_ubyte * pages)()
        failed = ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), vector)
        del first
    if failed:
        raise OSError(f"mincore of {file} failed")
    return sum(each & 1 for each in vector) * mmap.PAGESIZE


def table(found: Sequence[FirstQuery]) -> str:
    """For docs/benchmarks.md. Only with kernels on disk is anything wanted."""
    lines = ["| statement | kernels | first ms | warm ms | over ms | at most 1,000 over |", "|---|---|---|---|---|---|"]
    for each in found:
        verdict = "" if each.kernels == COLD else "holds" if each.over_ms <= 1000 else "MISSED"
        times = f"{each.first_ms:,.1f} | {each.warm_ms:,.1f} | {each.over_ms:,.1f}"
        lines.append(f"| {each.statement} | {each.kernels} | {times} | {verdict} |")
    return "\n".join(lines)


def said(found: Opening) -> str:
    """One sentence."""
    return (
        f"Opening {found.segments} segments of {found.size / 1e6:,.1f} MB read {found.read / 1e3:,.1f} kB by calls "
        f"and touched {found.faults:,} pages that were not in memory; with what the system reads ahead of each, "
        f"{found.resident / 1e6:,.1f} MB of their files were in memory after it."
    )


def save(folder: Path, found: Sequence[FirstQuery], opened: Opening) -> None:
    """All figures, for later."""
    folder.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {
        "what": "first_query",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "statements": [attrs.asdict(each) for each in found],
        "opening": attrs.asdict(opened),
    }
    (folder / "first_query.json").write_text(json.dumps(record, indent=1) + "\n")


def own_segments(base: Path) -> list[Path]:
    """A copy of the segments, so that nobody else holds them in memory."""
    made = base.parent.parent / "first_query"
    source = base / "druid" / "segments" / "lineitem"
    if not made.exists():
        subprocess.run(["cp", "-r", str(source), str(made)], check=True)
    return sorted(found.parent for found in made.rglob("version.bin"))


@click.command()
@click.option("--statement", "names", multiple=True, help="Name of a statement, or `all`; four when none is given.")
@click.option("--runs", default=7, show_default=True, help="Warm runs after the first one.")
@click.option("--cold/--no-cold", default=True, help="Whether one statement is asked without compiled kernels as well.")
@click.option("--save", "save_to", type=click.Path(path_type=Path), default=Path(__file__).parent / "results")
def main(names: tuple[str, ...], runs: int, cold: bool, save_to: Path) -> None:
    """Ask lineitem SF 1 right after a start, with the compiled kernels on disk, and without them.

    The cluster is started anew for each statement. Segments lie in the system's memory, kernels do or do not.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that was started is stopped
    asked = [each for each in STATEMENTS if "all" in names or each.name in (names or DEFAULT)]
    if not asked:
        raise click.UsageError(f"No such statement; there are: {', '.join(each.name for each in STATEMENTS)}")
    base = work_folder() / "queries" / "sf1"
    prepare(1.0, base, _DRUID_OFFSET)
    compile_kernels(base)
    found = []
    for statement in asked:
        found.append(measure(base, statement, WARM, runs))
        print(
            f"  {statement.name:<40} first {found[-1].first_ms:9.1f} ms, warm {found[-1].warm_ms:9.1f} ms", flush=True
        )
    if cold:
        found.append(with_empty_cache(base, asked[0], runs))
        print(f"  {asked[0].name:<40} first {found[-1].first_ms:9.1f} ms with no kernels on disk", flush=True)
    opened = opening(own_segments(base))
    print(f"\n{machine()}\n\n{table(found)}\n\n{said(opened)}\n", flush=True)
    save(save_to, found, opened)


if __name__ == "__main__":
    sys.exit(main())
