"""The Coordinator's view of all used segments: polled, immutable, rebuilt when something changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, func, select

from nemeton.common.clock import Clock
from nemeton.json import Json
from nemeton.lifecycle import lifecycle_stop
from nemeton.metadata.changes import SegmentChangeHub
from nemeton.metadata.config import SegmentsMetadataManagerConfig
from nemeton.metadata.connector import MetadataStorageConnector
from nemeton.metadata.segment_rows import batches
from nemeton.model import DataSegment
from nemeton.model.timeline import SegmentTimeline
from nemeton.spi.metadata import IndexerMetadataStorageCoordinator
from nemeton.time import Interval

log = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 10.0


@frozen
class DataSourcesSnapshot:
    """All used segments at one moment. Immutable; share it freely."""

    taken_at: int
    segments: Mapping[str, tuple[DataSegment, ...]] = field(factory=dict)
    timelines: Mapping[str, SegmentTimeline] = field(factory=dict)
    overshadowed: frozenset[DataSegment] = frozenset()

    @property
    def data_sources(self) -> tuple[str, ...]:
        """Names of the data sources that have used segments, sorted."""
        return tuple(sorted(self.segments))

    def all_segments(self) -> Iterable[DataSegment]:
        """All used segments, overshadowed ones too."""
        for segments in self.segments.values():
            yield from segments


class SegmentsMetadataManager:
    """Polls the used segments (Druid: ``SqlSegmentsMetadataManager``). Thread-safe.

    A poll reads the ids, and payloads only of segments it has not seen; data sources whose ids are the same keep their
    timelines. :meth:`poll_soon` asks for a poll now, for instance after a publish in the same process.
    """

    def __init__(
        self,
        connector: MetadataStorageConnector,
        coordinator: IndexerMetadataStorageCoordinator,
        config: SegmentsMetadataManagerConfig,
        json: Json,
        clock: Clock,
        changes: SegmentChangeHub | None = None,
    ) -> None:
        self._connector = connector
        self._coordinator = coordinator.acting_for("coordinator")
        self._config = config
        self._json = json
        self._clock = clock
        self._snapshot = DataSourcesSnapshot(taken_at=0)
        self._known: dict[str, DataSegment] = {}
        self._poll_lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._first = threading.Event()
        self._thread: threading.Thread | None = None
        self._users = 0
        if changes is not None:
            changes.subscribe(lambda _data_source: self.poll_soon())

    def start_polling(self) -> None:
        """Begin to poll in the background; returns at once. Calls nest with :meth:`stop_polling`."""
        with self._poll_lock:
            self._users += 1
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(target=self._loop, name="segments-poll", daemon=True)
                self._thread.start()

    @lifecycle_stop
    def stop_polling(self) -> None:
        """Stop polling, within a bound."""
        with self._poll_lock:
            self._users = max(0, self._users - 1)
            thread = self._thread if self._users == 0 else None
            if thread is not None:
                self._thread = None
                self._stopping.set()
                self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_TIMEOUT_S)

    def poll_soon(self) -> None:
        """Ask the background thread to poll now."""
        self._wake.set()

    def snapshot(self) -> DataSourcesSnapshot:
        """Return the newest snapshot; polls here if there has been no poll yet."""
        if not self._first.is_set():
            self.poll()
        return self._snapshot

    def poll(self) -> DataSourcesSnapshot:
        """Read the store now and return the new snapshot. Raises when the store cannot be read."""
        with self._poll_lock:
            taken_at = self._clock.now()
            segments = self._connector.read(self._read)
            self._known = segments
            self._snapshot = self._build(taken_at, segments)
        self._first.set()
        return self._snapshot

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self.poll()
            except Exception:
                log.exception("Polling the used segments failed; will try again")
            if self._stopping.is_set():
                return
            self._clock.wait(self._wake, self._config.poll_duration.to_seconds())

    def _read(self, connection: Connection) -> dict[str, DataSegment]:
        table = self._connector.tables.segments
        ids = list(connection.execute(select(table.c.id).where(table.c.used.is_(True))).scalars())
        found = {id_: self._known[id_] for id_ in ids if id_ in self._known}
        for batch in batches(id_ for id_ in ids if id_ not in found):
            query = select(table.c.id, table.c.payload).where(table.c.id.in_(batch))
            for row in connection.execute(query):
                segment = self._parse(row)
                if segment is not None:
                    found[row.id] = segment
        return found

    def _parse(self, row: Any) -> DataSegment | None:
        try:
            segment: DataSegment = self._json.loads(row.payload, DataSegment)
        except Exception:
            log.exception("Segment [%s] in the metadata store cannot be read; it is left out", row.id)
            return None
        return segment

    def _build(self, taken_at: int, segments: Mapping[str, DataSegment]) -> DataSourcesSnapshot:
        before = self._snapshot
        by_source: dict[str, list[DataSegment]] = {}
        for segment in segments.values():
            by_source.setdefault(segment.data_source, []).append(segment)
        final: dict[str, tuple[DataSegment, ...]] = {}
        timelines: dict[str, SegmentTimeline] = {}
        overshadowed: set[DataSegment] = set()
        for name, members in by_source.items():
            final[name] = tuple(sorted(members, key=lambda s: str(s.id)))
            if before.segments.get(name) == final[name]:
                timelines[name] = before.timelines[name]
            else:
                timelines[name] = SegmentTimeline.of(members)
            overshadowed.update(timelines[name].find_fully_overshadowed())
        return DataSourcesSnapshot(taken_at, final, timelines, frozenset(overshadowed))

    # ---- marking: one transaction each, and the next poll sees it

    def mark_as_used(self, data_source: str, segment_ids: Iterable[str]) -> int:
        """See ``IndexerMetadataStorageCoordinator.mark_segment_ids_as_used``."""
        return self._coordinator.mark_segment_ids_as_used(data_source, segment_ids)

    def mark_as_unused(self, data_source: str, segment_ids: Iterable[str]) -> int:
        """See ``IndexerMetadataStorageCoordinator.mark_segment_ids_as_unused``."""
        return self._coordinator.mark_segment_ids_as_unused(data_source, segment_ids)

    def mark_interval_as_unused(
        self, data_source: str, interval: Interval, versions: Sequence[str] | None = None
    ) -> int:
        """See ``IndexerMetadataStorageCoordinator.mark_segments_as_unused``."""
        return self._coordinator.mark_segments_as_unused(data_source, interval, versions)

    def mark_interval_as_used(
        self, data_source: str, interval: Interval | None = None, versions: Sequence[str] | None = None
    ) -> int:
        """See ``IndexerMetadataStorageCoordinator.mark_non_overshadowed_segments_as_used``."""
        return self._coordinator.mark_non_overshadowed_segments_as_used(data_source, interval, versions)

    def retrieve_all_data_source_names(self) -> list[str]:
        """Names of all data sources that have segments, used or not."""
        table = self._connector.tables.segments
        query = select(table.c.datasource).group_by(table.c.datasource).order_by(func.min(table.c.datasource))
        return self._connector.read(lambda c: list(c.execute(query).scalars()))
