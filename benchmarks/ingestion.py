"""`python -m benchmarks ingestion`: lineitem through one `index_parallel` task: speed, memory, size."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import click
from attrs import define, field

from benchmarks import lineitem
from benchmarks.probe import PeakOfTasks
from benchmarks.report import machine
from benchmarks.sides import Druid, Nemeton, Side, fresh, work_folder

_MIB = 1 << 20
#: What the task's dimensions are: all columns, or what the statements of `queries` ask for.
COLUMNS: dict[str, dict[str, Any]] = {"all": {}, "queried": lineitem.QUERIED}
_SEGMENTS = "/druid/coordinator/v1/metadata/datasources/lineitem/segments?full"


@define
class Ingested:
    """One task on one side, from the submission to SUCCESS."""

    side: str
    columns: str
    rows: int
    seconds: float
    segment_bytes: int
    segments: int
    peak_rss: int
    """Of the largest process that the cluster started for tasks, in bytes, with what it mapped of files."""
    peak_pss: int
    """The same, with shared pages divided among those that share them."""

    @property
    def rows_per_s(self) -> float:
        """With everything that a task does: waiting, starting a process, publishing."""
        return self.rows / self.seconds


@define
class Line:
    """One line of the table: what is wanted, and whether it holds."""

    what: str
    ours: str
    theirs: str
    ratio: str
    wanted: str
    verdict: str = field(default="")


def measure(side: Side, columns: str, folder: Path, rows: int) -> Ingested:
    """Start the cluster, ingest once, look at the segments, stop it."""
    with side.running():
        with PeakOfTasks(side.roots()) as peak:
            seconds = side.run_task(lineitem.task(folder, "lineitem", **COLUMNS[columns]))
        side.wait_for_rows("lineitem", rows)
        sizes = [segment["size"] for segment in side.get(_SEGMENTS)]
    return Ingested(side.name, columns, rows, seconds, sum(sizes), len(sizes), peak.rss, peak.pss)


def lines(ours: Ingested, theirs: Ingested | None) -> list[Line]:
    """What the table says. Without the other side only memory can hold or be missed."""

    def verdict(holds: bool) -> str:
        return "holds" if holds else "MISSED"

    memory = Line(
        "peak memory of the task's process (RSS), MiB",
        f"{ours.peak_rss / _MIB:,.0f}",
        "" if theirs is None else f"{theirs.peak_rss / _MIB:,.0f}",
        "",
        "ours at most 1,536",
        verdict(ours.peak_rss <= 1536 * _MIB),
    )
    if theirs is None:
        return [
            Line("rows a second, submit to SUCCESS", f"{ours.rows_per_s:,.0f}", "", "", "at least 8 times"),
            memory,
            Line("size of the segments, MB", f"{ours.segment_bytes / 1e6:,.1f}", "", "", "at most 1.05 times"),
        ]
    faster, larger = ours.rows_per_s / theirs.rows_per_s, ours.segment_bytes / theirs.segment_bytes
    return [
        Line(
            "rows a second, submit to SUCCESS",
            f"{ours.rows_per_s:,.0f}",
            f"{theirs.rows_per_s:,.0f}",
            f"{faster:.1f}",
            "at least 8 times",
            verdict(faster >= 8),
        ),
        memory,
        Line(
            "size of the segments, MB",
            f"{ours.segment_bytes / 1e6:,.1f}",
            f"{theirs.segment_bytes / 1e6:,.1f}",
            f"{larger:.3f}",
            "at most 1.05 times",
            verdict(larger <= 1.05),
        ),
    ]


def table(found: Sequence[Line]) -> str:
    """For docs/benchmarks.md."""
    head = ["| | nemeton | Druid 33 | ratio | wanted | |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(f"| {' | '.join(attrs.astuple(line))} |" for line in found)])


def save(folder: Path, runs: Sequence[Ingested], scale: float) -> None:
    """All runs, for later."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "what": "ingestion",
        "scale": scale,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "runs": [attrs.asdict(run) | {"rows_per_s": run.rows_per_s} for run in runs],
    }
    (folder / "ingestion.json").write_text(json.dumps(record, indent=1) + "\n")


@click.command()
@click.option("--scale", default=1.0, show_default=True, help="TPC-H scale; 0.1 for a quick run.")
@click.option("--columns", "kinds", multiple=True, type=click.Choice([*COLUMNS]), help="Both when none is given.")
@click.option("--runs", default=1, show_default=True, help="Tasks of each kind on our side; the fastest counts.")
@click.option("--druid/--no-druid", default=True, help="Whether the real Druid ingests as well: minutes for each kind.")
@click.option("--save", "save_to", type=click.Path(path_type=Path), default=Path(__file__).parent / "results")
def main(scale: float, kinds: tuple[str, ...], runs: int, druid: bool, save_to: Path) -> None:
    """Ingest lineitem with one `index_parallel` task, one subtask at a time, first here, then in the real Druid.

    `all` has every column, the comments included, which are nearly all different; `queried` has those that the
    statements of `queries` ask for. Clusters are made anew for each task; nothing is warm.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that was started is stopped
    folder, rows = lineitem.make(work_folder() / "tpch", scale)
    base, done = work_folder() / "ingestion", list[Ingested]()
    for columns in kinds or COLUMNS:
        sides = [lambda: fresh(Nemeton, base, 12_000)] * max(runs, 1)
        found = [measure(make(), columns, folder, rows) for make in sides]
        ours = max(found, key=lambda run: run.rows_per_s)
        theirs = measure(fresh(Druid, base, 22_000), columns, folder, rows) if druid else None
        done += [*found, *([] if theirs is None else [theirs])]
        save(save_to, done, scale)
        what = f"{rows:,} rows of lineitem, columns: {columns}"
        print(f"\n{what}, {ours.segments} segments, {machine()}\n\n{table(lines(ours, theirs))}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
