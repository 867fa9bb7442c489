"""Collects batches of rows and makes segments of them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from nemeton.ingest.index.assembly import SegmentAssembly, WrittenSegment
from nemeton.ingest.index.run import Place, Run, build_run
from nemeton.ingest.memory import release
from nemeton.ingest.rollup import check_supported
from nemeton.ingest.rows import RowBatch
from nemeton.ingest.schema import DataSchema, DimensionSchema
from nemeton.segment import IndexSpec
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.ingest.partition.buckets import Bucketing
    from nemeton.json import Json

DEFAULT_RUN_BYTES = 64 << 20
DEFAULT_RUN_ROWS = 500_000
DEFAULT_SEGMENT_STRING_BYTES = 64 << 20
"""A segment ends early when the distinct strings of one of its columns would take about so much."""

_RELEASE_ROWS = 100_000
_ALL = 1 << 62
DEFAULT_MAX_ROWS_PER_SEGMENT = 5_000_000


Piece = tuple[Run, int, int]
"""Rows [start, stop) of a run."""


@define(eq=False)
class PendingSegment:
    """Rows that will become one segment. ``partition`` counts within the interval (and bucket), from 0."""

    interval: Interval
    bucket: int
    partition: int
    num_rows: int
    _pieces: list[Piece]
    _builder: SegmentBuilder

    def write(self, directory: Path, interval: Interval | None = None) -> WrittenSegment:
        """Write the segment's files; ``interval`` when the segment's is wider than the rows' own.

        Different segments may be written by different threads.
        """
        builder = self._builder
        return SegmentAssembly(self._pieces, builder, interval or self.interval, builder.executor).write(directory)


@define(eq=False)
class SegmentBuilder:
    """Takes batches of rows; then gives segments. Holds a few times ``run_bytes`` of rows in memory while it
    takes them, and some tens of bytes per row of one segment (times ``threads``) while it writes. Not thread-safe.

    When more comes than ``run_bytes`` or ``run_rows``, runs go to files in ``work_dir``.
    """

    schema: DataSchema
    work_dir: Path
    json: Json
    index_spec: IndexSpec = field(factory=IndexSpec)
    run_bytes: int = DEFAULT_RUN_BYTES
    run_rows: int = DEFAULT_RUN_ROWS
    max_rows_per_segment: int = DEFAULT_MAX_ROWS_PER_SEGMENT
    segment_string_bytes: int = DEFAULT_SEGMENT_STRING_BYTES
    #: dimensions found so far in the input; the reader's dict itself, so that it is up to date
    discovered: Mapping[str, None] = field(factory=dict)
    #: divides the rows of an interval by value; each bucket is one segment, however large
    bucketing: Bucketing | None = None
    threads: int = field(factory=lambda: min(os.cpu_count() or 1, 2))
    _batches: list[RowBatch] = field(init=False, factory=list)
    _buffered_bytes: int = field(init=False, default=0)
    _buffered_rows: int = field(init=False, default=0)
    _runs: list[Run] = field(init=False, factory=list)
    _num_rows: int = field(init=False, default=0)
    _building: Future[Run] | None = field(init=False, default=None)
    _building_rows: int = field(init=False, default=0)
    _background: ThreadPoolExecutor = field(init=False)
    executor: ThreadPoolExecutor = field(init=False)

    def __attrs_post_init__(self) -> None:
        check_supported(self.schema.metrics_spec)
        self._background = ThreadPoolExecutor(1, thread_name_prefix="ingest-run")
        self.executor = ThreadPoolExecutor(self.threads, thread_name_prefix="ingest")

    @property
    def num_rows(self) -> int:
        """Rows taken and not yet given out as segments (after rollup, for those that are in runs)."""
        return self._num_rows + self._building_rows + self._buffered_rows

    @property
    def dimensions(self) -> list[DimensionSchema]:
        """The dimensions, in the order of the segments."""
        return [*self.schema.dimensions_spec.dimensions, *map(self.schema.dimensions_spec.found, self.discovered)]

    def add(self, batch: RowBatch) -> None:
        """Take a batch; a full buffer is encoded in the background, and this waits when one is under way already."""
        self._batches.append(batch)
        self._buffered_bytes += batch.estimated_bytes
        self._buffered_rows += batch.num_rows
        if self._buffered_bytes >= self.run_bytes or self._buffered_rows >= self.run_rows:
            self._start_run()

    def intervals(self) -> list[Interval]:
        """The segment intervals that have rows, ascending."""
        self._make_run()
        starts = dict.fromkeys(start for start, _ in self._places())
        return [self.schema.granularity_spec.bucket(start) for start in starts]

    def segments(self) -> Iterator[PendingSegment]:
        """All rows taken, as segments, by interval and bucket. `clear` the builder when all are written."""
        self._make_run()
        for place in self._places():
            start, bucket = place
            interval = self.schema.granularity_spec.bucket(start)
            pieces = [(run, *run.slices[place]) for run in self._runs if place in run.slices]
            most = self._rows_per_segment(pieces) if self.bucketing is None else _ALL
            for partition, part in enumerate(_split(pieces, most)):
                rows = sum(stop - begin for _, begin, stop in part)
                yield PendingSegment(interval, bucket, partition, rows, part, self)

    def clear(self) -> None:
        """Drop all rows, and their files."""
        if self._building is not None:
            self._building.exception()
            self._building = None
        for run in self._runs:
            run.discard()
        self._runs, self._batches = [], []
        if self.num_rows >= _RELEASE_ROWS:
            release()
        self._num_rows = self._building_rows = self._buffered_rows = self._buffered_bytes = 0

    def close(self) -> None:
        """Drop everything and stop the threads."""
        self.clear()
        self._background.shutdown(cancel_futures=True)
        self.executor.shutdown(cancel_futures=True)

    def _places(self) -> list[Place]:
        return sorted({place for run in self._runs for place in run.slices})

    def _rows_per_segment(self, pieces: list[Piece]) -> int:
        """The rows that a segment may have: fewer than allowed where a column's distinct strings would take much."""
        rows = sum(stop - start for _, start, stop in pieces)
        widest = max((size for run, _, _ in pieces for size in run.bytes_per_row.values()), default=0.0)
        parts = math.ceil(min(rows, self.max_rows_per_segment) * widest / self.segment_string_bytes)
        return self.max_rows_per_segment if parts < 2 else math.ceil(min(rows, self.max_rows_per_segment) / parts)

    def _start_run(self) -> None:
        """Encode the buffered rows and spill them, while the next ones are read; one run at a time."""
        self._finish_run()
        batches, discovered = self._take_buffer()
        self._building = self._background.submit(self._build_and_spill, batches, discovered)

    def _build_and_spill(self, batches: list[RowBatch], discovered: list[str]) -> Run:
        run = self._build(batches, discovered)
        run.spill(self.work_dir / f"run-{len(self._runs):05d}")
        return run

    def _build(self, batches: list[RowBatch], discovered: list[str]) -> Run:
        return build_run(batches, self.schema, discovered, self.executor, self.bucketing)

    def _finish_run(self) -> None:
        if self._building is not None:
            building, self._building = self._building, None
            self._add_run(building.result())

    def _make_run(self) -> None:
        """Encode what is buffered; it stays in memory, as it is the last run."""
        self._finish_run()
        if self._batches:
            self._add_run(self._build(*self._take_buffer()))

    def _take_buffer(self) -> tuple[list[RowBatch], list[str]]:
        batches, self._batches = self._batches, []
        self._building_rows = self._buffered_rows
        self._buffered_bytes = self._buffered_rows = 0
        return batches, list(self.discovered)

    def _add_run(self, run: Run) -> None:
        self._runs.append(run)
        self._num_rows += run.num_rows
        self._building_rows = 0


def _split(pieces: list[Piece], most: int) -> Iterator[list[Piece]]:
    """Cut rows into parts of at most ``most``, in the order of arrival."""
    part: list[Piece] = []
    room = most
    for run, start, stop in pieces:
        while start < stop:
            end = min(stop, start + room)
            part.append((run, start, end))
            room -= end - start
            start = end
            if not room:
                yield part
                part, room = [], most
    if part:
        yield part
