"""`python -m benchmarks WHAT`: measure beside the real Druid and print the ratio."""

from __future__ import annotations

import time
from pathlib import Path

import click

from benchmarks import lineitem
from benchmarks.report import Comparison, in_pairs
from benchmarks.sides import Side, sides, work_folder
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


MEASURES = {
    "startup": (Comparison("startup: five roles until SELECT 1", "s", 10), startup),
    "noop": (Comparison("noop: submit to SUCCESS", "s", 10), noop),
    "memory": (Comparison("memory: idle after the quickstart", "MiB", 5), memory),
    "ingest": (Comparison("ingest: lineitem SF 0.2", "rows/s", 5, higher_is_better=True), ingest),
}


@click.command()
@click.argument("what", nargs=-1, type=click.Choice([*MEASURES, "all"]), required=True)
@click.option("--pairs", default=3, show_default=True)
@click.option("--save", type=click.Path(path_type=Path), default=Path(__file__).parent / "results", show_default=True)
def main(what: tuple[str, ...], pairs: int, save: Path) -> None:
    """Measure in alternating runs, one side at a time, and print the ratios."""
    for name in MEASURES if "all" in what else what:
        comparison, measure = MEASURES[name]
        print(f"{comparison.what}: {(measure.__doc__ or '').strip()}", flush=True)
        in_pairs(comparison, pairs, lambda name=name: sides(work_folder() / name), measure)
        comparison.print()
        comparison.save(save)


if __name__ == "__main__":
    main()
