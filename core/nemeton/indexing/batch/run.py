"""One run of a batch task: read, build, push, publish."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field

from nemeton.common.errors import runtime_failure
from nemeton.indexing.actions import SegmentTransactionalInsertAction
from nemeton.indexing.batch import reports
from nemeton.indexing.batch.segments import SegmentAllocator
from nemeton.model import DataSegment

if TYPE_CHECKING:
    from nemeton.indexing.batch.reports import IngestionProgress
    from nemeton.indexing.batch.spec import IndexIngestionSpec
    from nemeton.ingest.index.builder import PendingSegment, SegmentBuilder
    from nemeton.spi.indexing import Task, TaskToolbox

log = logging.getLogger(__name__)

_LARGE_SEGMENT_ROWS = 500_000
_AVAILABILITY_POLL_S = 1.0


@define
class IngestionRun:
    """Reads the input once, into a `SegmentBuilder`, which spills; then the intervals are known.

    Locks are taken (where the spec gives no intervals), segments written, pushed, and published in one action.
    """

    task: Task
    spec: IndexIngestionSpec
    toolbox: TaskToolbox
    progress: IngestionProgress
    check: Callable[[], None]
    _allocator: SegmentAllocator = field(init=False)
    _pushed: list[DataSegment] = field(init=False, factory=list)
    _folder: Path = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._allocator = SegmentAllocator(self.task, self.spec, self.toolbox.action_client, self.check)
        self._folder = Path(self.toolbox.work_dir) / "indexing-tmp"

    def run(self) -> None:
        """Do it all; raises when something fails. The work folder is removed either way."""
        from nemeton.ingest.memory import prepare

        prepare()
        try:
            self._build()
            published = self._publish()
            self._await_availability(published)
            self.progress.segments_published = len(published)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _build(self) -> None:
        from nemeton.ingest.reader import InputSourceReader

        self._folder.mkdir(parents=True, exist_ok=True)
        self.progress.state = reports.BUILD_SEGMENTS
        io = self.spec.io_config
        assert io.input_format is not None
        reader = InputSourceReader(
            self.spec.data_schema,
            io.input_source,
            io.input_format,
            self.progress.meters,
            self.progress.problems,
            self.check,
        )
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

    def _builder(self, discovered: dict[str, None]) -> SegmentBuilder:
        from nemeton.ingest.index.builder import DEFAULT_RUN_BYTES, DEFAULT_RUN_ROWS, SegmentBuilder
        from nemeton.segment import IndexSpec

        tuning, json = self.spec.tuning_config, self.toolbox.json
        in_memory = tuning.max_bytes_in_memory
        return SegmentBuilder(
            self.spec.data_schema,
            self._folder / "runs",
            json,
            index_spec=json.structure(tuning.index_spec, IndexSpec).check(),
            run_bytes=min(in_memory, DEFAULT_RUN_BYTES) if in_memory > 0 else DEFAULT_RUN_BYTES,
            run_rows=max(min(tuning.max_rows_in_memory, DEFAULT_RUN_ROWS), 1),
            max_rows_per_segment=tuning.partitions.max_rows_per_segment,
            discovered=discovered,
        )

    def _push_all(self, builder: SegmentBuilder) -> None:
        """Make segments of all rows read so far; two at a time where they are small."""
        self._allocator.lock(builder.intervals())
        pending: list[Future[DataSegment]] = []
        with ThreadPoolExecutor(2, thread_name_prefix="push") as executor:
            try:
                for rows in builder.segments():
                    self.check()
                    most = 0 if rows.num_rows > _LARGE_SEGMENT_ROWS else 2
                    while len(pending) > most:
                        self._pushed.append(pending.pop(0).result())
                    segment = self._allocator.allocate(rows.interval)
                    pending.append(
                        executor.submit(self._write_and_push, rows, segment, len(self._pushed) + len(pending))
                    )
                while pending:
                    self._pushed.append(pending.pop(0).result())
            finally:
                for future in pending:
                    future.cancel()
        builder.clear()

    def _write_and_push(self, rows: PendingSegment, segment: DataSegment, number: int) -> DataSegment:
        self.check()
        folder = self._folder / f"segment-{number:06d}"
        written = rows.write(folder, segment.interval)
        done = segment.with_(
            dimensions=written.dimensions, metrics=written.metrics, size=written.size, binary_version=9
        )
        try:
            done = self.toolbox.data_segment_pusher.push(folder, done)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        log.info("Pushed segment [%s]: %d rows, %d bytes", done.id, written.num_rows, done.size)
        return done

    def _publish(self) -> list[DataSegment]:
        segments = self._allocator.complete(self._pushed)
        segments += self._allocator.tombstones(segments)
        self.check()
        if not segments:
            log.info("No segments to publish")
            return []
        action = SegmentTransactionalInsertAction(
            segments=segments,
            segments_to_be_overwritten=None,
            data_source=None,
            segment_schema_mapping=_NO_SCHEMAS,
        )
        result = self.toolbox.action_client.submit(action)
        if not result.success:
            raise runtime_failure(f"Failed to publish segments. {result.error_msg or ''}".rstrip())
        log.info("Published [%d] segments", len(segments))
        return segments

    def _await_availability(self, segments: list[DataSegment]) -> None:
        """Wait until Historicals serve the segments, as long as the spec allows; when that ends it is no failure."""
        limit_ms = self.spec.tuning_config.await_segment_availability_timeout_millis
        client: Any = self.toolbox.coordinator_client
        waiting = [segment for segment in segments if not segment.is_tombstone]
        if limit_ms <= 0 or client is None or not waiting:
            return
        self.progress.state = reports.SEGMENT_AVAILABILITY_WAIT
        start = time.monotonic()
        while waiting and (time.monotonic() - start) * 1000 < limit_ms:
            self.check()
            waiting = [s for s in waiting if not client.is_handoff_complete(s.data_source, s.to_descriptor())]
            if waiting:
                self.toolbox.clock.sleep(min(_AVAILABILITY_POLL_S, limit_ms / 1000))
        self.progress.availability_wait_ms = int((time.monotonic() - start) * 1000)
        self.progress.availability_confirmed = not waiting


_NO_SCHEMAS = {"segmentIdToMetadataMap": {}, "schemaFingerprintToPayloadMap": {}, "schemaVersion": 1}
