"""What a supervisor task says of its sub tasks' row counts."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define

from nemeton.common.errors import DruidException
from nemeton.indexing.batch.reports import STATS, TaskProgress
from nemeton.rpc.client import RetryPolicy

if TYPE_CHECKING:
    from nemeton.indexing.batch.parallel.supervisor import ParallelJob

log = logging.getLogger(__name__)

_LIVE = RetryPolicy(deadline_s=2.0, request_timeout_s=2.0, max_attempts=1)
_COUNTS = ("processed", "processedBytes", "processedWithError", "thrownAway", "unparseable")


@define(kw_only=True)
class ParallelProgress(TaskProgress):
    """Adds up what the sub tasks that build segments have reported, and while the task runs what they report live."""

    job: ParallelJob
    #: counts and samples of the phase that read the input, once another phase runs
    _kept: tuple[dict[str, int], list[Any]] | None = None

    def keep(self) -> None:
        """Note the counts of the phase that has ended: later phases read no input."""
        self._kept = self._collected(live=False)
        phase = self.job.phase
        read = [] if phase is None else [_payload(r.task_report).get("segmentsRead") for r in phase.reports.values()]
        known = [int(count) for count in read if count is not None]
        self.segments_read = sum(known) if known else None

    def totals(self) -> dict[str, Any]:
        """See :class:`TaskProgress`."""
        return {"totals": {"buildSegments": self._collected(live=False)[0]}}

    def live_row_stats(self) -> dict[str, Any]:
        """See :class:`TaskProgress`. Asks the Overlord for the live reports of the sub tasks that run."""
        return {"totals": {"buildSegments": self._collected(live=True)[0]}}

    def unparseable_events(self) -> dict[str, Any]:
        """See :class:`TaskProgress`."""
        return {"buildSegments": self._collected(live=False)[1]}

    def _collected(self, *, live: bool) -> tuple[dict[str, int], list[Any]]:
        if self._kept is not None:
            return self._kept
        counts: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        events: list[Any] = []
        phase = self.job.phase
        if phase is None:
            return dict(counts), events
        for report in phase.reports.values():
            _add(report.task_report, counts, events)
        if live:
            self._add_live(counts, events)
        return dict(counts), events

    def _add_live(self, counts: Counter[str], events: list[Any]) -> None:
        phase = self.job.phase
        overlord = self.job.toolbox.overlord_client.with_policy(_LIVE)
        for work in phase.monitor.running() if phase is not None else ():
            try:
                _add(overlord.task_report(work.task_id) or {}, counts, events)
            except DruidException as e:
                log.debug("No live report of sub task [%s]: %s", work.task_id, e)


def _payload(task_report: dict[str, Any]) -> dict[str, Any]:
    return (task_report.get(STATS) or {}).get("payload") or {}


def _add(task_report: dict[str, Any], counts: Counter[str], events: list[Any]) -> None:
    """Add a report's counts, whether it is a final one or a live one."""
    payload = _payload(task_report)
    stats = payload.get("rowStats") or {}
    stats = (stats.get("totals") or stats).get("buildSegments") or {}
    counts.update({name: int(stats.get(name) or 0) for name in _COUNTS})
    events += (payload.get("unparseableEvents") or {}).get("buildSegments") or []
