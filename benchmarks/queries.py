"""`python -m benchmarks queries`: the usual statements over TPC-H lineitem, beside the real Druid and beside DuckDB."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import click
from attrs import define, field

from benchmarks import lineitem
from benchmarks.report import machine
from benchmarks.sides import JAVA_ROLES, NEMETON, PORTS, Druid, Nemeton, Side, work_folder
from benchmarks.statements import CONTEXT, STATEMENTS, Statement

_TOLERANCE = 1e-9
#: The Broker first: what it knows of the cluster it learns from the others.
_QUERY_ROLES = tuple(role for role in JAVA_ROLES if role != "router")


@define
class Timing:
    """What one statement took on both sides, in milliseconds, and whether the answers are equal."""

    name: str
    ours: list[float] = field(factory=list)
    theirs: list[float] = field(factory=list)
    verdict: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster we are, by the fastest runs."""
        return min(self.theirs) / min(self.ours) if self.theirs else math.nan


class Broker:
    """One connection to a Broker that is kept open."""

    def __init__(self, side: Side) -> None:
        self._connection = http.client.HTTPConnection("localhost", PORTS["broker"] + side.offset, timeout=600)

    def ask(self, sql: str) -> tuple[float, list[list[Any]]]:
        """Milliseconds until the last byte, and the rows."""
        body = json.dumps({"query": sql, "context": CONTEXT, "resultFormat": "array"})
        began = time.perf_counter()
        self._connection.request("POST", "/druid/v2/sql", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        millis = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} for [{sql}]: {text[:500]!r}")
        return millis, json.loads(text)


class QueriedDruid(Druid):
    """A Druid that keeps what it ingested, so that the next run finds it."""

    health_roles = _QUERY_ROLES

    def is_up(self) -> bool:
        """All roles that are needed are healthy."""
        try:
            return all(self.get("/status/health", role) is True for role in self.health_roles)
        except OSError:
            return False

    def post(self, path: str, body: Any) -> Any:
        """At the Broker, or for tasks at the Overlord, which is in the Coordinator."""
        role = "coordinator" if path.startswith("/druid/indexer") else "broker"
        return _post(f"http://localhost:{PORTS[role] + self.offset}{path}", body)

    def get(self, path: str, role: str | None = None) -> Any:
        """As `post`."""
        return super().get(path, role or ("coordinator" if path.startswith("/druid/indexer") else "broker"))

    def start(self) -> None:
        """Without a Router."""
        self.prepare()
        self._starting = [self._call("up", role) for role in _QUERY_ROLES]


class QueriedNemeton(Nemeton):
    """Our quickstart with two processing threads, as Druid has here."""

    properties: ClassVar[Mapping[str, object]] = {"druid.processing.numThreads": 2}


def _post(url: str, body: Any) -> Any:
    import urllib.request

    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


def prepare(scale: float, base: Path, offset: int) -> int:
    """Let Druid ingest lineitem unless it has done so, and note its segments for us; the number of rows."""
    folder, rows = lineitem.make(work_folder() / "tpch", scale)
    noted = base / "segments"
    if not noted.exists():
        druid = QueriedDruid(base / "druid", offset)
        print(f"Druid ingests lineitem SF {scale:g}, once", flush=True)
        with druid.running():
            if "lineitem" not in druid.get("/druid/coordinator/v1/metadata/datasources", "coordinator"):
                seconds = druid.run_task(lineitem.task(folder, "lineitem", **lineitem.QUERIED))
                print(f"  {rows / seconds:,.0f} rows/s with one task", flush=True)
            druid.wait_for_rows("lineitem", rows)
            segments = druid.get("/druid/coordinator/v1/metadata/datasources/lineitem/segments?full", "coordinator")
        for number, segment in enumerate(segments):
            (noted / str(number)).mkdir(parents=True)
            (noted / str(number) / "descriptor.json").write_text(json.dumps(segment))
    ours = base / "nemeton" / "data"
    if not ours.exists():
        ours.mkdir(parents=True)
        subprocess.run([NEMETON, "tools", "insert-segments", str(noted), "--data-dir", str(ours)], check=True)
    return rows


@contextlib.contextmanager
def both(base: Path, our_offset: int, druid_offset: int, rows: int, with_druid: bool) -> Iterator[list[Side]]:
    """Our cluster and Druid's, up and loaded."""
    with contextlib.ExitStack() as stack:
        found: list[Side] = [QueriedNemeton(base / "nemeton", our_offset)]
        found += [QueriedDruid(base / "druid", druid_offset)] if with_druid else []
        for side in found:
            stack.enter_context(side.running())
            side.wait_for_rows("lineitem", rows)
        yield found


def over_http(sides: Sequence[Side], runs: int, in_a_row: int) -> list[Timing]:
    """Each statement some times in a row on either side in turn, after some that are not counted.

    The first of a row finds the processor's caches full of what the other system did last, the others its own.
    """
    brokers = [Broker(side) for side in sides]
    timings = []
    for statement in STATEMENTS:
        timing = Timing(statement.name)
        answers = [broker.ask(statement.sql)[1] for broker in brokers]
        for _ in range(3):
            for broker in brokers:
                broker.ask(statement.sql)
        for _ in range(math.ceil(runs / in_a_row)):
            for broker, kept in zip(brokers, (timing.ours, timing.theirs), strict=False):
                kept += [broker.ask(statement.sql)[0] for _ in range(in_a_row)]
        timing.verdict = difference(statement, *answers) if len(answers) == 2 else ""
        timings.append(timing)
        print(f"  {_line(timing)}", flush=True)
    return timings


def difference(statement: Statement, ours: list[list[Any]], theirs: list[list[Any]]) -> str:
    """ "equal", or what is not."""
    if len(ours) != len(theirs):
        return f"{len(ours)} and {len(theirs)} rows"
    if statement.any_rows:
        return "as many rows"
    if statement.metric is not None:
        metric = statement.metric
        mine, other = ([row[metric] for row in rows] for rows in (ours, theirs))
        if not all(map(_close, mine, other)):
            return "equal but for what Druid's approximate top list left out" if sum(mine) > sum(other) else "differs"
        ours, theirs = ([row for row in rows if row[metric] > mine[-1]] for rows in (ours, theirs))
    if statement.keys:
        ours, theirs = (sorted(rows, key=lambda row: row[: statement.keys]) for rows in (ours, theirs))
    pairs = zip(ours, theirs, strict=True)
    wrong = sum(not all(map(_close, mine, other)) for mine, other in pairs)
    return f"{wrong} rows differ" if wrong else "equal"


def _close(a: Any, b: Any) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return bool(a == b)


def in_process(folder: Path, csv: Path, runs: int) -> list[Timing]:
    """Our engine and DuckDB's, both in this process, two threads each; statements are planned before the clock runs."""
    from benchmarks.duckdb_side import DuckDbSide
    from benchmarks.local_engine import LocalEngine

    engine, duck = LocalEngine(folder), DuckDbSide(csv)
    timings = []
    for statement in STATEMENTS:
        query = engine.native(statement.sql, CONTEXT)
        duck.prepare(statement.duckdb_sql)
        timing = Timing(statement.name)
        asked: list[tuple[Callable[[], Any], list[float]]] = [
            (partial(engine.run, query), timing.ours),
            (duck.run, timing.theirs),
        ]
        for number in range(runs + 2):
            for run, kept in asked:
                began = time.perf_counter()
                run()
                if number >= 2:
                    kept.append((time.perf_counter() - began) * 1000)
        timing.verdict = difference(statement, engine.rows(statement.sql, CONTEXT), duck.shown())
        timings.append(timing)
        print(f"  {_line(timing)}", flush=True)
    return timings


def _line(timing: Timing) -> str:
    theirs = f"{min(timing.theirs):9.2f} ms" if timing.theirs else ""
    return f"{timing.name:<40} {theirs} {min(timing.ours):9.2f} ms {timing.ratio:7.1f}  {timing.verdict}"


def geometric_mean(values: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(statistics.fmean(map(math.log, values)))


def first_of_each_row(timings: Sequence[Timing], in_a_row: int) -> list[Timing]:
    """Only the runs that came right after one of the other side."""
    return [Timing(t.name, t.ours[::in_a_row], t.theirs[::in_a_row], t.verdict) for t in timings]


def mean_ratio(timings: Sequence[Timing]) -> float:
    """How many times faster we are in the geometric mean, by the fastest runs."""
    return geometric_mean([timing.ratio for timing in timings])


def table(timings: Sequence[Timing], other: str) -> str:
    """The table for docs/benchmarks.md: the fastest and the median run of each side."""
    lines = [
        f"| statement | {other} ms (median) | nemeton ms (median) | times faster | answers |",
        "|---|---|---|---|---|",
    ]
    for each in timings:
        shown = (f"{min(side):.1f} ({statistics.median(side):.1f})" for side in (each.theirs, each.ours))
        lines.append(f"| {each.name} | {' | '.join(shown)} | {each.ratio:.1f} | {each.verdict} |")
    means = [
        geometric_mean([min(side) for side in sides])
        for sides in ([t.theirs for t in timings], [t.ours for t in timings])
    ]
    lines.append(f"| **geometric mean** | {means[0]:.1f} | {means[1]:.1f} | **{means[0] / means[1]:.1f}** | |")
    return "\n".join(lines)


def save(folder: Path, name: str, timings: Sequence[Timing], scale: float, in_a_row: int = 1) -> None:
    """All runs in their order, for later."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "what": name,
        "scale": scale,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "in_a_row": in_a_row,
        "statements": [
            {"name": t.name, "ours_ms": t.ours, "theirs_ms": t.theirs, "answers": t.verdict} for t in timings
        ],
    }
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


@click.command()
@click.option("--scale", default=1.0, show_default=True, help="TPC-H scale; 0.1 for a quick run.")
@click.option("--runs", default=20, show_default=True, help="Counted runs of each statement on each side.")
@click.option("--in-a-row", default=5, show_default=True, help="How many of them, over HTTP, before the other's turn.")
@click.option("--druid/--no-druid", default=True, help="Whether the real Druid is asked as well.")
@click.option("--engines/--no-engines", default=True, help="Whether the engine is held beside DuckDB's.")
@click.option("--http/--no-http", default=True, help="Whether clusters are asked over HTTP at all.")
@click.option("--offset", default=11_000, show_default=True, help="Added to our ports.")
@click.option("--druid-offset", default=21_000, show_default=True, help="Added to Druid's ports.")
@click.option("--save", "save_to", type=click.Path(path_type=Path), default=Path(__file__).parent / "results")
def main(
    scale: float,
    runs: int,
    in_a_row: int,
    druid: bool,
    engines: bool,
    http: bool,
    offset: int,
    druid_offset: int,
    save_to: Path,
) -> None:
    """Time the usual statements over lineitem: through HTTP and SQL beside Druid, and in one process beside DuckDB.

    Both read the segments that Druid made, warm, without caches of results. The first run makes data and segments and
    keeps them below NEMETON_BENCH_DIR.
    """
    base = work_folder() / "queries" / f"sf{scale:g}"
    rows = prepare(scale, base, druid_offset)
    if http:
        with both(base, offset, druid_offset, rows, druid) as sides:
            timings = over_http(sides, runs, in_a_row)
        if druid:
            print(f"\nThrough HTTP and SQL, lineitem SF {scale:g}, {machine()}\n\n{table(timings, 'Druid 33')}\n")
            first = mean_ratio(first_of_each_row(timings, in_a_row))
            print(f"By those runs alone that came right after one of the other system: {first:.1f} times faster.\n")
            save(save_to, "queries", timings, scale, in_a_row)
    if engines:
        csv = work_folder() / "tpch" / f"sf{scale:g}" / "lineitem.csv"
        timings = in_process(base / "druid" / "segments", csv, runs)
        print(f"\nEngine against engine, lineitem SF {scale:g}, {machine()}\n\n{table(timings, 'DuckDB')}\n")
        save(save_to, "engines", timings, scale)


if __name__ == "__main__":
    sys.exit(main())
