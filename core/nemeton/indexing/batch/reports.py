"""What a batch task says about itself: while it runs, and at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field

from nemeton.spi.indexing import ChatHandler

if TYPE_CHECKING:
    from nemeton.common.clock import Clock
    from nemeton.indexing.batch.spec import BatchTuningConfig
    from nemeton.ingest.meters import ParseExceptionHandler, RowMeters

NOT_STARTED = "NOT_STARTED"
DETERMINE_PARTITIONS = "DETERMINE_PARTITIONS"
BUILD_SEGMENTS = "BUILD_SEGMENTS"
SEGMENT_AVAILABILITY_WAIT = "SEGMENT_AVAILABILITY_WAIT"
COMPLETED = "COMPLETED"


@define
class IngestionProgress:
    """The state of a running ingestion. Written by the task's thread, read by HTTP handlers."""

    determines_intervals: bool
    meters: RowMeters
    problems: ParseExceptionHandler
    state: str = NOT_STARTED
    error_msg: str | None = None
    availability_confirmed: bool = False
    availability_wait_ms: int = 0
    segments_published: int | None = None

    @classmethod
    def start(cls, tuning: BatchTuningConfig, determines_intervals: bool, clock: Clock) -> IngestionProgress:
        """At the beginning."""
        from nemeton.ingest.meters import ParseExceptionHandler, RowMeters

        meters = RowMeters()
        problems = ParseExceptionHandler(
            meters,
            log_parse_exceptions=tuning.log_parse_exceptions,
            max_parse_exceptions=tuning.allowed_parse_exceptions,
            max_saved=tuning.saved_parse_exceptions,
            clock=clock,
        )
        return cls(determines_intervals, meters, problems)

    def totals(self) -> dict[str, Any]:
        """Row counts by phase. One read of the input does the work of both of Druid's, so that both show its counts."""
        from nemeton.ingest.meters import RowMeters

        determined = self.meters if self.determines_intervals else RowMeters()
        return {"determinePartitions": determined.totals(), "buildSegments": self.meters.totals()}

    def live_row_stats(self) -> dict[str, Any]:
        """Row counts as ``rowStats`` answers them."""
        return {"totals": {"buildSegments": self.meters.totals()}, "movingAverages": {}}

    def unparseable_events(self) -> dict[str, Any]:
        """Samples by phase; nothing when none are saved."""
        saved = self.problems.saved_reports()
        if saved is None:
            return {}
        return {"determinePartitions": saved if self.determines_intervals else [], "buildSegments": saved}

    def reports(self, task_id: str, context: Mapping[str, Any], row_stats: Mapping[str, Any]) -> dict[str, Any]:
        """The map of reports."""
        payload = {
            "ingestionState": self.state,
            "unparseableEvents": self.unparseable_events(),
            "rowStats": row_stats,
            "errorMsg": self.error_msg,
            "segmentAvailabilityConfirmed": self.availability_confirmed,
            "segmentAvailabilityWaitTimeMs": self.availability_wait_ms,
            "recordsProcessed": {},
        }
        if self.segments_published is not None:
            payload["segmentsPublished"] = self.segments_published
        return {
            "ingestionStatsAndErrors": {"type": "ingestionStatsAndErrors", "taskId": task_id, "payload": payload},
            "taskContext": {"type": "taskContext", "taskId": task_id, "payload": dict(context)},
        }


@define
class IngestionChatHandler(ChatHandler):
    """``liveReports``, ``rowStats`` and ``unparseableEvents`` of a running task."""

    task_id: str
    context: Mapping[str, Any]
    progress: IngestionProgress
    _routes: dict[tuple[str, str], Callable[..., Any]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._routes = {
            ("GET", "liveReports"): lambda request: self._live_reports(),
            ("GET", "rowStats"): lambda request: self.progress.live_row_stats(),
            ("GET", "unparseableEvents"): lambda request: self.progress.unparseable_events(),
        }

    def chat_routes(self) -> Mapping[tuple[str, str], Callable[..., Any]]:
        """See :class:`ChatHandler`."""
        return self._routes

    def _live_reports(self) -> dict[str, Any]:
        reports = self.progress.reports(self.task_id, self.context, self.progress.live_row_stats())
        del reports["taskContext"]
        return reports
