"""From an input source to pushed segments: what every task does that builds segments of rows."""

from __future__ import annotations

import logging
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from nemeton.indexing.batch import reports
from nemeton.model import DataSegment

if TYPE_CHECKING:
    from nemeton.indexing.batch.allocators import SegmentAllocator
    from nemeton.indexing.batch.reports import MeteredProgress
    from nemeton.indexing.batch.spec import IndexIngestionSpec
    from nemeton.ingest.index.builder import PendingSegment, SegmentBuilder
    from nemeton.ingest.partition.analysis import RowAnalysis
    from nemeton.ingest.partition.buckets import Bucketing
    from nemeton.ingest.reader import InputSourceReader
    from nemeton.spi.indexing import TaskToolbox

log = logging.getLogger(__name__)

_AT_ONCE = 2
_ROWS_AT_ONCE = 3_000_000
"""A segment takes some tens of bytes of memory a row while it is written; a larger segment is written alone."""


@define
class SegmentsBuild:
    """Reads the input once, into a `SegmentBuilder`, which spills; then the intervals are known.

    Segments get their ids from the allocator, are written and given to ``push``, two at a time unless they are large.
    ``folder`` holds what is under way; the caller removes it. ``bucketing`` divides rows by value.
    """

    spec: IndexIngestionSpec
    toolbox: TaskToolbox
    progress: MeteredProgress
    allocator: SegmentAllocator
    push: Callable[[Path, DataSegment], DataSegment]
    folder: Path
    check: Callable[[], None]
    bucketing: Bucketing | None = None
    _pushed: list[DataSegment] = field(init=False, factory=list)

    def run(self) -> list[DataSegment]:
        """Do it all; the pushed segments."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.progress.state = reports.BUILD_SEGMENTS
        reader = make_reader(self.spec, self.toolbox, self.progress, self.check)
        builder = self._builder(reader.discovered)
        bound = self.spec.tuning_config.partitions.rows_before_push
        try:
            for batch in reader.batches():
                builder.add(batch)
                if builder.num_rows >= bound:
                    self._push_all(builder)
            self._push_all(builder)
        finally:
            builder.close()
        self.progress.segments_read = reader.source.segments_read
        return self._pushed

    def _builder(self, discovered: dict[str, None]) -> SegmentBuilder:
        from nemeton.ingest.index.builder import (
            DEFAULT_MAX_ROWS_PER_SEGMENT,
            DEFAULT_RUN_BYTES,
            DEFAULT_RUN_ROWS,
            SegmentBuilder,
        )
        from nemeton.segment import IndexSpec

        tuning, json = self.spec.tuning_config, self.toolbox.json
        bounds = (tuning.max_bytes_in_memory, self.toolbox.ingestion_memory_bytes)
        in_memory = min((bound for bound in bounds if bound > 0), default=0)
        return SegmentBuilder(
            self.spec.data_schema,
            self.folder / "runs",
            json,
            index_spec=json.structure(tuning.index_spec, IndexSpec).check(),
            run_bytes=min(in_memory, DEFAULT_RUN_BYTES) if in_memory > 0 else DEFAULT_RUN_BYTES,
            run_rows=max(min(tuning.max_rows_in_memory, DEFAULT_RUN_ROWS), 1),
            max_rows_per_segment=tuning.partitions.max_rows_per_segment or DEFAULT_MAX_ROWS_PER_SEGMENT,
            discovered=discovered,
            bucketing=self.bucketing,
        )

    def _push_all(self, builder: SegmentBuilder) -> None:
        """Make segments of all rows read so far."""
        self.allocator.prepare(builder.intervals())
        pending: deque[tuple[int, Future[DataSegment]]] = deque()
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="push") as executor:
            try:
                for rows in builder.segments():
                    self.check()
                    while not _is_room(rows.num_rows, [count for count, _ in pending]):
                        self._pushed.append(pending.popleft()[1].result())
                    segment = self.allocator.allocate(rows.interval, rows.bucket)
                    number = len(self._pushed) + len(pending)
                    pending.append((rows.num_rows, executor.submit(self._write_and_push, rows, segment, number)))
                while pending:
                    self._pushed.append(pending.popleft()[1].result())
            finally:
                for _, future in pending:
                    future.cancel()
        builder.clear()

    def _write_and_push(self, rows: PendingSegment, segment: DataSegment, number: int) -> DataSegment:
        self.check()
        folder = self.folder / f"segment-{number:06d}"
        written = rows.write(folder, segment.interval)
        done = segment.with_(
            dimensions=written.dimensions, metrics=written.metrics, size=written.size, binary_version=9
        )
        try:
            done = self.push(folder, done)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        log.info("Pushed segment [%s]: %d rows, %d bytes", done.id, written.num_rows, done.size)
        return done


def _is_room(rows: int, under_way: Sequence[int]) -> bool:
    """Whether a segment of so many rows may be begun beside others, one of them perhaps waiting for a thread."""
    return not under_way or (len(under_way) <= _AT_ONCE and rows + sum(under_way) <= _ROWS_AT_ONCE)


def analyse(
    spec: IndexIngestionSpec, toolbox: TaskToolbox, progress: MeteredProgress, check: Callable[[], None]
) -> RowAnalysis:
    """Read the input once for what the partitionsSpec has to know of all rows."""
    analysis = spec.tuning_config.partitions.analysis(spec.data_schema)
    for batch in make_reader(spec, toolbox, progress, check).batches():
        analysis.add(batch)
    return analysis


def make_reader(
    spec: IndexIngestionSpec, toolbox: TaskToolbox, progress: MeteredProgress, check: Callable[[], None]
) -> InputSourceReader:
    """What reads the spec's input, counting in the task's report."""
    from nemeton.ingest.reader import InputSourceReader

    io = spec.io_config
    return InputSourceReader(
        spec.data_schema, io.input_source, io.input_format, progress.meters, progress.problems, check
    )
