"""Tells the cluster which segments are served here: the list behind ``/druid-internal/v1/segments``."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from nemeton.common.clock import Clock
from nemeton.dataserver.change_requests import DataSegmentChangeRequest
from nemeton.discovery.zookeeper.config import BatchDataSegmentAnnouncerConfig
from nemeton.http.change_history import ChangeRequestHistory, ChangeRequestsSnapshot, Counter
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.model import DataSegment, SegmentId
from nemeton.spi.discovery import DataServerAnnouncer


class DataSegmentAnnouncer:
    """The segments announced, and the history of their coming and going. Thread-safe.

    Readers that do not ask here are told through the discovery's `DataServerAnnouncer`, where there is one. Queries may
    be sent for a segment from the moment that `announce` returns.
    """

    def __init__(
        self,
        clock: Clock,
        elsewhere: DataServerAnnouncer | None = None,
        config: BatchDataSegmentAnnouncerConfig | None = None,
    ) -> None:
        self._config = config or BatchDataSegmentAnnouncerConfig()
        self._elsewhere = elsewhere or DataServerAnnouncer()
        self._segments: dict[SegmentId, DataSegment] = {}
        self._history: ChangeRequestHistory[DataSegmentChangeRequest] = ChangeRequestHistory(clock)
        self._lock = threading.Lock()

    def announce(self, segments: Iterable[DataSegment]) -> None:
        """Tell of segments; those told of already are left out."""
        with self._lock:
            new = [self._announceable(segment) for segment in segments if segment.id not in self._segments]
            self._segments.update((segment.id, segment) for segment in new)
            self._history.add([DataSegmentChangeRequest.load(segment) for segment in new])
            self._elsewhere.announce_segments(new)

    def unannounce(self, segments: Iterable[DataSegment]) -> None:
        """Tell that segments have gone; those not told of are left out."""
        with self._lock:
            known = [segment for segment in segments if self._segments.pop(segment.id, None) is not None]
            self._history.add([DataSegmentChangeRequest.drop(segment) for segment in known])
            self._elsewhere.unannounce_segments(known)

    @property
    def announced(self) -> list[DataSegment]:
        """All that was told of."""
        with self._lock:
            return list(self._segments.values())

    def full(self) -> ChangeRequestsSnapshot[DataSegmentChangeRequest]:
        """All segments as load requests, and the place from which changes go on."""
        with self._lock:
            requests = [DataSegmentChangeRequest.load(segment) for segment in self._segments.values()]
            return ChangeRequestsSnapshot(self._history.last_counter, requests)

    async def changes_since(
        self, place: Counter, timeout_s: float
    ) -> ChangeRequestsSnapshot[DataSegmentChangeRequest] | None:
        """What has changed since the place; waits for a change at most so many seconds, then None."""
        return await self._history.wait_since(place, timeout_s)

    def _announceable(self, segment: DataSegment) -> DataSegment:
        if self._config.skip_dimensions_and_metrics:
            segment = segment.with_(dimensions=(), metrics=())
        return segment.with_(load_spec=None) if self._config.skip_load_spec else segment

    @lifecycle_start
    def start(self) -> None:
        """Tell of the server itself, now that its cached segments are announced."""
        self._elsewhere.announce_server()

    @lifecycle_stop
    def stop(self) -> None:
        """Let all long polls go, so that the server can stop at once."""
        self._elsewhere.unannounce_server()
        self._history.close()
