"""Tells the cluster which segments are served here: the list behind ``/druid-internal/v1/segments``."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from nemeton.common.clock import Clock
from nemeton.dataserver.change_requests import DataSegmentChangeRequest
from nemeton.http.change_history import ChangeRequestHistory, ChangeRequestsSnapshot, Counter
from nemeton.lifecycle import lifecycle_stop
from nemeton.model import DataSegment, SegmentId


class DataSegmentAnnouncer:
    """The segments announced, and the history of their coming and going. Thread-safe.

    Queries may be sent for a segment from the moment that `announce` returns.
    """

    def __init__(self, clock: Clock) -> None:
        self._segments: dict[SegmentId, DataSegment] = {}
        self._history: ChangeRequestHistory[DataSegmentChangeRequest] = ChangeRequestHistory(clock)
        self._lock = threading.Lock()

    def announce(self, segments: Iterable[DataSegment]) -> None:
        """Tell of segments; those told of already are left out."""
        with self._lock:
            new = [segment for segment in segments if segment.id not in self._segments]
            self._segments.update((segment.id, segment) for segment in new)
            self._history.add([DataSegmentChangeRequest.load(segment) for segment in new])

    def unannounce(self, segments: Iterable[DataSegment]) -> None:
        """Tell that segments have gone; those not told of are left out."""
        with self._lock:
            known = [segment for segment in segments if self._segments.pop(segment.id, None) is not None]
            self._history.add([DataSegmentChangeRequest.drop(segment) for segment in known])

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

    @lifecycle_stop
    def stop(self) -> None:
        """Let all long polls go, so that the server can stop at once."""
        self._history.close()
