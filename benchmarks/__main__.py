"""`python -m benchmarks WHAT`: measure beside the real Druid and print the ratio."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from benchmarks import lineitem
from benchmarks.first_query import main as first_query
from benchmarks.growth import main as growth
from benchmarks.ingestion import main as ingestion
from benchmarks.queries import main as queries
from benchmarks.remote import remote_sides
from benchmarks.report import Comparison, in_pairs
from benchmarks.scale import main as scale
from benchmarks.sides import Side, sides, work_folder
from benchmarks.spill import main as spill
from nemeton.cli.sample import QUERIES, ROWS, ingestion_task, sample_folder


def startup(side: Side) -> float:
    """From nothing to: all roles healthy, leaders known, `SELECT 1` through the Router."""
    prepare = getattr(side, "prepare", None)
    if prepare:
        prepare()
    began = time.monotonic()
    with side.running():
        return time.monotonic() - began


def noop(side: Side) -> float:
    """Median of five `noop` tasks, submit to SUCCESS, after one to warm up."""
    with side.running():
        task = {"type": "noop", "runTime": 1}
        side.run_task(task)
        times = sorted(side.run_task(task) for _ in range(5))
        return times[2]


def memory(side: Side) -> float:
    """MiB of PSS, 60 s idle after the quickstart's queries."""
    with side.running():
        with sample_folder() as folder:
            side.run_task(ingestion_task(folder))
        side.wait_for_rows("flights", ROWS)
        for _, query in QUERIES:
            side.sql(query)
        time.sleep(60)
        return side.memory() / 2**20


def ingest(side: Side) -> float:
    """Rows per second of TPC-H lineitem SF 0.2, submit to SUCCESS, the second of two tasks."""
    folder, rows = lineitem.make(work_folder() / "tpch", 0.2)
    with side.running():
        seconds = side.run_task(lineitem.task(folder, "lineitem"))
        return rows / seconds


Sides = Callable[[Path], tuple[Side, Side]]

MEASURES: dict[str, tuple[Comparison, Callable[[Side], float], Sides]] = {
    "startup": (Comparison("startup: five roles until SELECT 1", "s", 10), startup, sides),
    "noop": (Comparison("noop: submit to SUCCESS", "s", 10), noop, sides),
    **{
        f"noop-{protocol}": (
            Comparison(f"noop-{protocol}: submit to SUCCESS on a MiddleManager", "s", 10),
            noop,
            partial(remote_sides, protocol=protocol),
        )
        for protocol in ("remote", "httpRemote")
    },
    "memory": (Comparison("memory: idle after the quickstart", "MiB", 5), memory, sides),
    "ingest": (Comparison("ingest: lineitem SF 0.2", "rows/s", 5, higher_is_better=True), ingest, sides),
}


#: Names that stand for several.
TOGETHER = {"noop-remote": ["noop-remote", "noop-httpRemote"], "all": [*MEASURES]}


@click.command()
@click.argument("what", nargs=-1, type=click.Choice([*MEASURES, "all"]), required=True)
@click.option("--pairs", default=3, show_default=True)
@click.option("--save", type=click.Path(path_type=Path), default=Path(__file__).parent / "results", show_default=True)
def compare(what: tuple[str, ...], pairs: int, save: Path) -> None:
    """Measure in alternating runs, one side at a time, and print the ratios. `noop-remote` has both protocols.

    `scale`, `queries`, `growth`, `ingestion`, `first_query` and `spill` are commands of their own: see `scale --help`
    and so on.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that was started is stopped
    for name in dict.fromkeys(each for word in what for each in TOGETHER.get(word, [word])):
        comparison, measure, make_sides = MEASURES[name]
        print(f"{comparison.what}: {(measure.__doc__ or '').strip()}", flush=True)
        in_pairs(comparison, pairs, lambda name=name, make_sides=make_sides: make_sides(work_folder() / name), measure)
        comparison.print()
        comparison.save(save)


#: Commands with options of their own.
COMMANDS = {
    "scale": scale,
    "queries": queries,
    "growth": growth,
    "ingestion": ingestion,
    "first_query": first_query,
    "spill": spill,
}


def main() -> None:
    """Some names are commands of their own; all others go together."""
    command = COMMANDS.get(next(iter(sys.argv[1:]), ""))
    if command is None:
        compare(prog_name="python -m benchmarks")
    else:
        command(sys.argv[2:], prog_name=f"python -m benchmarks {sys.argv[1]}")


if __name__ == "__main__":
    main()
