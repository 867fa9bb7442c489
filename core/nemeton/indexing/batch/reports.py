"""What a batch task says about itself: while it runs, and at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from nemeton.spi.indexing import ChatHandler

if TYPE_CHECKING:
    from nemeton.common.clock import Clock
    from nemeton.indexing.batch.spec import BatchTuningConfig
    from nemeton.ingest.meters import ParseExceptionHandler, RowMeters
    from nemeton.model import DataSegment

NOT_STARTED = "NOT_STARTED"
DETERMINE_PARTITIONS = "DETERMINE_PARTITIONS"
BUILD_SEGMENTS = "BUILD_SEGMENTS"
SEGMENT_AVAILABILITY_WAIT = "SEGMENT_AVAILABILITY_WAIT"
COMPLETED = "COMPLETED"

STATS = "ingestionStatsAndErrors"
CONTEXT = "taskContext"


@define(kw_only=True)
class TaskProgress(ABC):
    """The state of a running batch task. Written by the task's thread, read by HTTP handlers."""

    state: str = NOT_STARTED
    error_msg: str | None = None
    availability_confirmed: bool = False
    availability_wait_ms: int = 0
    segments_published: int | None = None
    tombstones_published: int = 0
    segments_read: int | None = None

    def note_published(self, segments: Sequence[DataSegment]) -> None:
        """Count the segments that the task has published."""
        self.segments_published = len(segments)
        self.tombstones_published = sum(segment.is_tombstone for segment in segments)

    @abstractmethod
    def totals(self) -> dict[str, Any]:
        """Row counts as the final report holds them."""

    @abstractmethod
    def live_row_stats(self) -> dict[str, Any]:
        """Row counts as ``rowStats`` answers them."""

    @abstractmethod
    def unparseable_events(self) -> dict[str, Any]:
        """Samples by phase; nothing when none are saved."""

    def stats_report(self, task_id: str, row_stats: Mapping[str, Any]) -> dict[str, Any]:
        """The report ``ingestionStatsAndErrors``, as a map of one."""
        payload: dict[str, Any] = {
            "ingestionState": self.state,
            "unparseableEvents": self.unparseable_events(),
            "rowStats": row_stats,
            "errorMsg": self.error_msg,
            "segmentAvailabilityConfirmed": self.availability_confirmed,
            "segmentAvailabilityWaitTimeMs": self.availability_wait_ms,
            "recordsProcessed": {},
        }
        if self.segments_read is not None:
            payload["segmentsRead"] = self.segments_read
        if self.segments_published is not None:
            payload["segmentsPublished"] = self.segments_published
        return {STATS: {"type": STATS, "taskId": task_id, "payload": payload}}

    def live_reports(self, task_id: str) -> dict[str, Any]:
        """The map of reports while the task runs."""
        return self.stats_report(task_id, self.live_row_stats())

    def reports(self, task_id: str, context: Mapping[str, Any]) -> dict[str, Any]:
        """The map of reports at the task's end."""
        final = self.stats_report(task_id, self.totals())
        return {**final, CONTEXT: {"type": CONTEXT, "taskId": task_id, "payload": dict(context)}}


@define(kw_only=True)
class MeteredProgress(TaskProgress):
    """Of a task that reads an input itself."""

    meters: RowMeters
    problems: ParseExceptionHandler


@define(kw_only=True)
class IngestionProgress(MeteredProgress):
    """Of a task that does all of the work itself. ``determines_intervals``: the spec does not give them.

    ``analysis``: the counts of an earlier read of the input, where rows are divided by value.
    """

    determines_intervals: bool
    analysis: MeteredProgress | None = None

    @classmethod
    def start(cls, tuning: BatchTuningConfig, determines_intervals: bool, clock: Clock) -> IngestionProgress:
        """At the beginning."""
        from nemeton.ingest.meters import RowMeters

        meters = RowMeters()
        problems = parse_exceptions(tuning, meters, clock)
        return cls(determines_intervals=determines_intervals, meters=meters, problems=problems)

    def totals(self) -> dict[str, Any]:
        """Row counts by phase. Where one read of the input does the work of both of Druid's, both show its counts."""
        from nemeton.ingest.meters import RowMeters

        determined = self.meters if self.determines_intervals else RowMeters()
        if self.analysis is not None:
            determined = self.analysis.meters
        return {"determinePartitions": determined.totals(), "buildSegments": self.meters.totals()}

    def live_row_stats(self) -> dict[str, Any]:
        """See :class:`TaskProgress`."""
        totals = {"buildSegments": self.meters.totals()}
        if self.analysis is not None:
            totals = {"determinePartitions": self.analysis.meters.totals(), **totals}
        return {"totals": totals, "movingAverages": {}}

    def unparseable_events(self) -> dict[str, Any]:
        """See :class:`TaskProgress`."""
        saved = self.problems.saved_reports()
        if saved is None:
            return {}
        determined = saved if self.determines_intervals else []
        if self.analysis is not None:
            determined = self.analysis.problems.saved_reports() or []
        return {"determinePartitions": determined, "buildSegments": saved}


@define(kw_only=True)
class SubTaskProgress(MeteredProgress):
    """Of a sub task: only what it counts while it builds segments, for its supervisor task adds that up."""

    @classmethod
    def start(cls, tuning: BatchTuningConfig, clock: Clock) -> SubTaskProgress:
        """At the beginning."""
        from nemeton.ingest.meters import RowMeters

        meters = RowMeters()
        return cls(meters=meters, problems=parse_exceptions(tuning, meters, clock))

    def totals(self) -> dict[str, Any]:
        """See :class:`TaskProgress`."""
        return {"buildSegments": self.meters.totals()}

    def live_row_stats(self) -> dict[str, Any]:
        """See :class:`TaskProgress`."""
        return {"totals": self.totals(), "movingAverages": {}}

    def unparseable_events(self) -> dict[str, Any]:
        """See :class:`TaskProgress`."""
        return {"buildSegments": self.problems.saved_reports() or []}


def parse_exceptions(tuning: BatchTuningConfig, meters: RowMeters, clock: Clock) -> ParseExceptionHandler:
    """What notes records that cannot be parsed, as the tuning says."""
    from nemeton.ingest.meters import ParseExceptionHandler

    return ParseExceptionHandler(
        meters,
        log_parse_exceptions=tuning.log_parse_exceptions,
        max_parse_exceptions=tuning.allowed_parse_exceptions,
        max_saved=tuning.saved_parse_exceptions,
        clock=clock,
    )


@define
class IngestionChatHandler(ChatHandler):
    """``liveReports``, ``rowStats`` and ``unparseableEvents`` of a running task."""

    task_id: str
    progress: TaskProgress
    _routes: dict[tuple[str, str], Callable[..., Any]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._routes = {
            ("GET", "liveReports"): lambda request: self.progress.live_reports(self.task_id),
            ("GET", "rowStats"): lambda request: self.progress.live_row_stats(),
            ("GET", "unparseableEvents"): lambda request: self.progress.unparseable_events(),
        }

    def chat_routes(self) -> Mapping[tuple[str, str], Callable[..., Any]]:
        """See :class:`ChatHandler`."""
        return self._routes
