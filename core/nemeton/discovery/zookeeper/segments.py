"""Data servers and their segments, for readers with ``druid.serverview.type=batch``."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Sequence

from attrs import define, field

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import BatchDataSegmentAnnouncerConfig, ZkPathsConfig, make_path
from nemeton.json import Json
from nemeton.model import DataSegment, DruidServerMetadata, SegmentId
from nemeton.spi.discovery import DataServerAnnouncer
from nemeton.time import format_datetime

log = logging.getLogger(__name__)

_FLUSH_WITHIN_S = 30.0
_RETRY_S = 5.0


@define(eq=False)
class _Batch:
    """One node: the JSON of its segments."""

    path: str
    segments: dict[SegmentId, bytes] = field(factory=dict)
    size: int = 2

    def add(self, segment_id: SegmentId, encoded: bytes) -> None:
        self.segments[segment_id] = encoded
        self.size += len(encoded) + 1

    def remove(self, segment_id: SegmentId) -> None:
        self.size -= len(self.segments.pop(segment_id)) + 1

    def encoded(self) -> bytes:
        return b"[" + b",".join(list(self.segments.values())) + b"]"


class BatchDataSegmentAnnouncer(DataServerAnnouncer):
    """Writes ``/druid/announcements/<server>`` and batches of segments below ``/druid/segments/<server>``. Thread-safe.

    Segments are written soon, on a thread of its own: many that come at once cost one write of each batch.
    """

    def __init__(
        self,
        server: DruidServerMetadata,
        config: BatchDataSegmentAnnouncerConfig,
        paths: ZkPathsConfig,
        announcer: Announcer,
        json: Json,
        clock: Clock,
    ) -> None:
        """Nothing is written until something is announced."""
        self._server = server
        self._config = config
        self._paths = paths
        self._announcer = announcer
        self._json = json
        self._clock = clock
        self._executor = ScheduledExecutor("segment-announcer", clock)
        self._lock = threading.Lock()
        self._batch_of: dict[SegmentId, _Batch] = {}
        self._with_room: list[_Batch] = []
        self._dirty: dict[str, _Batch] = {}
        self._announced: set[str] = set()
        self._made = 0

    # ---- DataServerAnnouncer

    def announce_segments(self, segments: Sequence[DataSegment]) -> None:
        """Put them into batches that have room."""
        with self._lock:
            for segment in segments:
                self._add(segment)
        self._flush_soon()

    def unannounce_segments(self, segments: Sequence[DataSegment]) -> None:
        """Take them out of their batches; a batch that is empty goes."""
        with self._lock:
            for segment in segments:
                self._remove(segment.id)
        self._flush_soon()

    def announce_server(self) -> None:
        """Write what segments there are, an empty batch when there are none, and then the server itself."""
        with self._lock:
            if not self._batch_of and not self._with_room:
                self._new_batch()
        written = threading.Event()
        self._flush_soon()
        self._executor.schedule(written.set, 0)
        self._clock.wait(written, _FLUSH_WITHIN_S)
        self._announcer.announce(self._server_path, self._json.dumps(self._server.as_druid_server()), compress=True)

    def unannounce_server(self) -> None:
        """First the server, so that nobody asks for what goes then."""
        self._announcer.unannounce(self._server_path)
        self._executor.shutdown()
        with self._lock:
            announced, self._announced = self._announced, set()
        for path in announced:
            self._announcer.unannounce(path)

    # ---- batches; under the lock

    def _add(self, segment: DataSegment) -> None:
        encoded = self._json.dumps(segment)
        if len(encoded) > self._config.max_bytes_per_node:
            log.error(
                "Segment [%s] is not announced in ZooKeeper: its [%d] bytes exceed druid.announcer.maxBytesPerNode",
                segment.id,
                len(encoded),
            )
            return
        batch = self._batch_for(len(encoded))
        batch.add(segment.id, encoded)
        self._batch_of[segment.id] = batch
        self._dirty[batch.path] = batch
        if len(batch.segments) >= self._config.segments_per_node:
            self._with_room.remove(batch)

    def _batch_for(self, size: int) -> _Batch:
        for batch in self._with_room:
            if batch.size + size < self._config.max_bytes_per_node:
                return batch
        return self._new_batch()

    def _new_batch(self) -> _Batch:
        server, made = self._server, self._made
        self._made += 1
        words = (server.name, server.type, server.tier, format_datetime(self._clock.now()), uuid.uuid4().hex)
        batch = _Batch(make_path(self._paths.live_segments_path, f"{server.name}/{'_'.join(words)}{made}"))
        self._with_room.append(batch)
        self._dirty[batch.path] = batch
        return batch

    def _remove(self, segment_id: SegmentId) -> None:
        batch = self._batch_of.pop(segment_id, None)
        if batch is None:
            return
        batch.remove(segment_id)
        self._dirty[batch.path] = batch
        if not batch.segments:
            if batch in self._with_room:
                self._with_room.remove(batch)
        elif batch not in self._with_room:
            self._with_room.append(batch)

    # ---- writing

    def _flush_soon(self, delay_s: float = 0) -> None:
        if not self._executor.schedule_if_running(self._flush, delay_s):
            log.debug("The segment announcer is stopped")

    def _flush(self) -> None:
        """Write the batches that have changed; on the thread of its own."""
        while True:
            with self._lock:
                if not self._dirty:
                    return
                path, batch = self._dirty.popitem()
                empty, encoded = not batch.segments and batch not in self._with_room, batch.encoded()
                self._announced.discard(path) if empty else self._announced.add(path)
            try:
                if empty:
                    self._announcer.unannounce(path)
                else:
                    self._announcer.announce(path, encoded, compress=True)
            except Exception:
                with self._lock:
                    self._dirty.setdefault(path, batch)
                self._flush_soon(_RETRY_S)
                raise

    # ---- what is written

    @property
    def _server_path(self) -> str:
        return make_path(self._paths.announcements_path, self._server.name)
