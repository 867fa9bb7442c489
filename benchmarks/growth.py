"""`python -m benchmarks growth`: how speed changes with clients, segments, rows, and the cardinality of a grouping."""

from __future__ import annotations

import contextlib
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import psutil

from benchmarks import growth_data
from benchmarks.plot import Panel, figure
from benchmarks.queries import Broker, QueriedNemeton, both, prepare
from benchmarks.report import machine
from benchmarks.sides import NEMETON, PORTS, REPO, Side, work_folder
from benchmarks.statements import STATEMENTS

CLIENTS = (1, 8, 64)
SCALES = (0.01, 0.1, 1.0)
_PROCESSES = 4
_WARM_UP_S = 3.0
_CLIENT_START_S = 2.0
_OFFSET, _DRUID_OFFSET = 13_000, 23_000
_GROUPING = next(each for each in STATEMENTS if each.name == "group by three dimensions")

Point = dict[str, Any]
"""One measured point: `side`, `x`, and what was measured."""


def over_clients(seconds: float, druid: bool) -> list[Point]:
    """Statements a second of all clients together, by their number."""
    base = work_folder() / "queries" / "sf1"
    rows = prepare(1.0, base, _DRUID_OFFSET)
    points = []
    with both(base, _OFFSET, _DRUID_OFFSET, rows, druid) as sides:
        for side in sides:
            for statement in STATEMENTS:
                Broker(side).ask(statement.sql)
        for count in CLIENTS:
            for side in sides:
                point = {"side": side.name, "x": count} | ask_together(side, count, seconds)
                points.append(point)
                shown = f"{point['per_s']:8.1f}/s, {point['p50']:8.1f} ms (p95 {point['p95']:.1f})"
                print(f"  {count:3} clients  {side.name:<9} {shown}, {point['failures']} failed", flush=True)
    return points


def ask_together(side: Side, count: int, seconds: float) -> Point:
    """Let so many clients, in other processes, ask all statements in turn, each in an order of its own."""
    start_at = time.time() + _CLIENT_START_S + _WARM_UP_S
    shares = [share for share in divide(count, _PROCESSES) if share]
    command = [sys.executable, "-m", "benchmarks.clients", "--port", str(PORTS["broker"] + side.offset)]
    command += ["--start-at", str(start_at), "--seconds", str(seconds)]
    processes = [
        subprocess.Popen([*command, "--clients", str(share), "--seed", str(1000 * i)], stdout=subprocess.PIPE, cwd=REPO)
        for i, share in enumerate(shares)
    ]
    try:
        reports = [json.loads(process.communicate(timeout=seconds + 300)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return summed(reports, seconds)


def divide(count: int, parts: int) -> list[int]:
    """As evenly as can be."""
    return [count // parts + (i < count % parts) for i in range(parts)]


def summed(reports: Sequence[dict[str, Any]], seconds: float) -> Point:
    """What all client processes saw together: answers a second, and milliseconds of an answer."""
    millis = sorted(each for report in reports for each in report["millis"])
    failures = sum(report["failures"] for report in reports)
    first = next((failure for report in reports for failure in report["first_failure"]), None)
    p50, p95 = (millis[min(len(millis) - 1, int(len(millis) * part))] if millis else 0.0 for part in (0.5, 0.95))
    found: Point = {"per_s": len(millis) / seconds, "p50": p50, "p95": p95, "failures": failures}
    return found if first is None else found | {"first_failure": first}


def over_rows(runs: int, druid: bool) -> list[Point]:
    """One grouping statement over lineitem at three scales, in seven segments each."""
    points = []
    for scale in SCALES:
        base = work_folder() / "queries" / f"sf{scale:g}"
        rows = prepare(scale, base, _DRUID_OFFSET)
        with both(base, _OFFSET, _DRUID_OFFSET, rows, druid) as sides:
            for side in sides:
                points.append(timed(side, rows, _GROUPING.sql, runs, f"{rows:,} rows"))
    return points


def over_segments(runs: int) -> list[Point]:
    """One grouping statement over as many rows, in more and more segments."""
    sql = "SELECT color, COUNT(*) AS n, SUM(quantity) AS q, SUM(price) AS p FROM {} GROUP BY 1"
    with own_cluster() as side:
        return [
            timed(side, count, sql.format(growth_data.small(count)), runs, f"{count:,} segments")
            for count in growth_data.SEGMENT_COUNTS
        ]


def over_cardinality(runs: int) -> list[Point]:
    """One grouping by strings of more and more values; a HAVING that no group passes keeps the answer short."""
    sql = "SELECT of_{0}, COUNT(*) AS n, SUM(quantity) AS q FROM wide GROUP BY 1 HAVING SUM(quantity) < 0"
    with own_cluster() as side:
        return [timed(side, each, sql.format(each), runs, f"{each:,} groups") for each in growth_data.CARDINALITIES]


def timed(side: Side, x: int, sql: str, runs: int, what: str) -> Point:
    """Milliseconds over HTTP and SQL, after some runs that are not counted."""
    broker = Broker(side)
    for _ in range(3):
        broker.ask(sql)
    millis = sorted(broker.ask(sql)[0] for _ in range(runs))
    print(f"  {what:<20} {side.name:<9} {millis[0]:10.1f} ms (median {statistics.median(millis):.1f})", flush=True)
    return {"side": side.name, "x": x, "ms": millis[0], "median_ms": statistics.median(millis)}


@contextlib.contextmanager
def own_cluster() -> Iterator[Side]:
    """Our cluster with the data sources of `growth_data`, loaded; the first time takes minutes."""
    base = work_folder() / "growth"
    folder, data = growth_data.make(base / "segments"), base / "nemeton" / "data"
    if not data.exists():
        data.mkdir(parents=True)
        subprocess.run([NEMETON, "tools", "insert-segments", str(folder), "--data-dir", str(data)], check=True)
    side = QueriedNemeton(base / "nemeton", _OFFSET)
    with side.running():
        began = time.monotonic()
        for count in growth_data.SEGMENT_COUNTS:
            side.wait_for_rows(growth_data.small(count), growth_data.SMALL_ROWS // count * count)
        side.wait_for_rows("wide", growth_data.WIDE_ROWS)
        print(f"  segments served after {time.monotonic() - began:.0f} s", flush=True)
        yield side


PARTS: dict[str, tuple[str, str, str, str]] = {
    "clients": ("Concurrent clients", "clients", "per_s", "statements a second"),
    "rows": ("Rows", "rows", "ms", "ms"),
    "segments": ("Segments (700,000 rows in all)", "segments", "ms", "ms"),
    "cardinality": ("Groups (4,000,000 rows)", "groups", "ms", "ms"),
}
"""By part: title, what x is, what of a point is drawn, and what that is."""


def table(part: str, points: Sequence[Point]) -> str:
    """One part for docs/growth.md."""
    _, x, measured, _ = PARTS[part]
    sides = list(dict.fromkeys(point["side"] for point in points))
    if measured == "per_s":
        heads = [f"{side}: {what}" for side in sides for what in ("statements/s", "ms p50 (p95)", "failed")]
    else:
        heads = [f"{side}: ms (median)" for side in sides]
    lines = [f"| {x} | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 1)]
    for value in dict.fromkeys(point["x"] for point in points):
        cells = []
        for side in sides:
            point = next((each for each in points if each["side"] == side and each["x"] == value), None)
            cells += _cells(point, measured)
        lines.append(f"| {value:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(point: Point | None, measured: str) -> list[str]:
    if measured == "per_s":
        if point is None:
            return ["", "", ""]
        return [f"{point['per_s']:.1f}", f"{point['p50']:.1f} ({point['p95']:.1f})", str(point["failures"])]
    return [""] if point is None else [f"{point['ms']:.1f} ({point['median_ms']:.1f})"]


def panel(part: str, points: Sequence[Point]) -> Panel:
    """One part of the figure."""
    title, x, measured, y = PARTS[part]
    lines: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        if point[measured] > 0:
            lines.setdefault(point["side"], []).append((point["x"], point[measured]))
    return Panel(title, x, y, {**lines})


_INTRO = """# How it grows

Written by `python -m benchmarks growth` ([benchmarks.md](benchmarks.md) says what is measured); two processing threads
on both sides, caches of results off, over HTTP and SQL. Times are those of the fastest run, medians in brackets.

![four plots of the tables below](growth.svg)
"""


def document(found: dict[str, Any]) -> str:
    """docs/growth.md: all parts that were measured, each with the load of the machine before it."""
    parts = [_INTRO]
    for part in PARTS:
        if part in found:
            kept = found[part]
            parts.append(f"## {PARTS[part][0]}\n\n{table(part, kept['points'])}\n")
            parts.append(f"{kept['when'][:10]}, {kept['machine']}; load before: {kept['load']:.1f}.\n")
    return "\n".join(parts)


def keep(file: Path, part: str, points: list[Point], load: float) -> dict[str, Any]:
    """Put a part beside those of earlier runs; all parts."""
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    found[part] = {"when": when, "machine": machine(), "load": load, "points": points}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1) + "\n")
    return found


@click.command()
@click.option("--part", "parts", multiple=True, type=click.Choice([*PARTS]), help="All when none is given.")
@click.option("--runs", default=7, show_default=True, help="Counted runs of each statement.")
@click.option("--seconds", default=10.0, show_default=True, help="How long each number of clients asks.")
@click.option("--druid/--no-druid", default=True, help="Whether the real Druid is asked as well (clients and rows).")
@click.option("--save", "save_to", type=click.Path(path_type=Path), default=Path(__file__).parent / "results")
@click.option("--docs", type=click.Path(path_type=Path), default=REPO / "docs", help="For growth.md and growth.svg.")
def main(parts: tuple[str, ...], runs: int, seconds: float, druid: bool, save_to: Path, docs: Path) -> None:
    """Measure how speed changes with what there is; write tables and a figure of all parts measured so far.

    The first run of `segments` or `cardinality` writes and loads 11,115 segments, that of `clients` or `rows` lets
    Druid ingest what `queries` asks; both are kept below NEMETON_BENCH_DIR.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that was started is stopped
    measures: dict[str, Callable[[], list[Point]]] = {
        "clients": lambda: over_clients(seconds, druid),
        "rows": lambda: over_rows(runs, druid),
        "segments": lambda: over_segments(runs),
        "cardinality": lambda: over_cardinality(runs),
    }
    for part in parts or PARTS:
        print(PARTS[part][0], flush=True)
        load = psutil.getloadavg()[0]
        points = measures[part]()
        found = keep(save_to / "growth.json", part, points, load)
        print(f"\n{table(part, points)}\n", flush=True)
        docs.mkdir(parents=True, exist_ok=True)
        (docs / "growth.md").write_text(document(found))
        (docs / "growth.svg").write_text(
            figure([panel(each, found[each]["points"]) for each in PARTS if each in found])
        )


if __name__ == "__main__":
    sys.exit(main())
