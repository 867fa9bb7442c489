"""Requests to mark segments used or unused, and their answers: the same on the Coordinator and the Overlord."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from nemeton.time import Interval

INVALID_FILTER = (
    "Invalid request payload. Specify either 'interval' or 'segmentIds', but not both. "
    "Optionally, include 'versions' only when 'interval' is provided."
)


@frozen
class SegmentsToUpdateFilter:
    """Which segments to mark: those within an interval (of some versions), or those named."""

    interval: Interval | None = None
    segment_ids: list[str] | None = None
    versions: list[str] | None = None

    @property
    def is_valid(self) -> bool:
        """Exactly one of the two ways; else the answer is `INVALID_FILTER`."""
        if self.interval is not None:
            return self.segment_ids is None
        return bool(self.segment_ids) and self.versions is None


@frozen
class SegmentUpdateResponse:
    """How many segments changed."""

    num_changed_segments: int

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """``{"numChangedSegments": …, "segmentStateChanged": …}``; the second says whether there were any."""
        return {
            "numChangedSegments": self.num_changed_segments,
            "segmentStateChanged": self.num_changed_segments > 0,
        }
