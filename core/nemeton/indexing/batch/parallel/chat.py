"""The chat end points of a supervisor task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define

from nemeton.common.errors import DruidException
from nemeton.indexing.batch.parallel.messages import SegmentAllocationRequest, SubTaskReport
from nemeton.spi.http import JSON, SMILE, Request, Response
from nemeton.spi.indexing import ChatHandler

if TYPE_CHECKING:
    from nemeton.indexing.batch.parallel.phases import Phase
    from nemeton.indexing.batch.parallel.supervisor import ParallelJob

_NOT_YET = "task is not running yet"


@define
class SupervisorChatHandler(ChatHandler):
    """What sub tasks ask and report, and what people may look at while the supervisor task runs."""

    job: ParallelJob

    def chat_routes(self) -> Mapping[tuple[str, str], Callable[..., Any]]:
        """See :class:`ChatHandler`."""
        progress = self.job.progress
        routes: dict[tuple[str, str], Callable[..., Any]] = {
            ("POST", "report"): self._report,
            ("POST", "segment/allocate"): self._allocate,
            ("GET", "liveReports"): lambda request: progress.live_reports(self.job.task.id),
            ("GET", "rowStats"): lambda request: progress.live_row_stats(),
            ("GET", "unparseableEvents"): lambda request: progress.unparseable_events(),
            ("GET", "mode"): lambda request: _text("parallel"),
            ("GET", "phase"): self._of_phase(lambda phase: _text(phase.name)),
        }
        for path, answer in _LOOKS.items():
            routes["GET", path] = self._of_phase(answer)
        return routes | self._spec_routes()

    def _of_phase(self, answer: Callable[[Phase], Any]) -> Callable[[Request], Response]:
        def handler(request: Request) -> Response:
            phase = self.job.phase
            if phase is None:
                return _not_running()
            shown = answer(phase)
            return shown if isinstance(shown, Response) else Response(json=shown)

        return handler

    def _spec_routes(self) -> dict[tuple[str, str], Callable[..., Any]]:
        """A route for each piece of work; others are not found."""
        phase = self.job.phase
        if phase is None:
            return {}
        routes: dict[tuple[str, str], Callable[..., Any]] = {}
        for work in [*phase.monitor.running(), *phase.monitor.complete()]:
            place = f"subtaskspec/{work.spec.id}"
            routes["GET", place] = lambda request, work=work: work.spec
            routes["GET", f"{place}/state"] = lambda request, work=work: {
                "spec": work.spec,
                "currentStatus": work.current,
                "taskHistory": list(work.history),
            }
            if work.state.is_complete:
                routes["GET", f"{place}/history"] = lambda request, work=work: list(work.history)
        return routes

    def _report(self, request: Request) -> Response:
        phase = self.job.phase
        if phase is None:
            return _not_running()
        report = request.json(SubTaskReport)
        if report is None:
            return Response(400, body="a report is required", media_type="text/plain")
        phase.monitor.collect(report)
        return Response(200)

    def _allocate(self, request: Request) -> Response:
        """Druid labels this answer as Smile, but it is JSON."""
        asked = request.json(SegmentAllocationRequest)
        if asked is None:
            return Response(400, body="a request is required", media_type="text/plain")
        try:
            allocated = self.job.allocate(asked)
        except DruidException as e:
            if self.job.phase is not None and e.category == "INVALID_INPUT":
                self.job.phase.stop(e.message)
            raise
        return Response(200, body=self.job.toolbox.json.dumps(allocated), media_type=SMILE)


_LOOKS: dict[str, Callable[[Phase], Any]] = {
    "progress": lambda phase: phase.progress(),
    "subtasks/running": lambda phase: [work.task_id for work in phase.monitor.running()],
    "subtaskspecs": lambda phase: [w.spec for w in [*phase.monitor.running(), *phase.monitor.complete()]],
    "subtaskspecs/running": lambda phase: [work.spec for work in phase.monitor.running()],
    "subtaskspecs/complete": lambda phase: [work.spec for work in phase.monitor.complete()],
}


def _text(shown: str) -> Response:
    """A bare text, which Druid labels as JSON."""
    return Response(body=shown, media_type=JSON)


def _not_running() -> Response:
    return Response(503, body=_NOT_YET, media_type="text/plain")
