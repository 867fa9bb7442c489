"""Submitting tasks, and everything below ``/druid/indexer/v1/task/<id>``."""

from __future__ import annotations

from collections.abc import Iterator

from nemeton.indexing.overlord.master import TaskMaster
from nemeton.indexing.overlord.resources.common import error, request_info, text
from nemeton.indexing.overlord.task_query import TaskQueryTool
from nemeton.metadata.audit import AuditManager
from nemeton.metadata.audit_requests import audit_info
from nemeton.model import DruidNode
from nemeton.spi.auth import Action, ResourceAction
from nemeton.spi.http import Request, Resource, Response, StreamingResponse, in_handler, route
from nemeton.spi.indexing import RunnerTaskState, Task
from nemeton.spi.storage import TaskLogs

_BASE = "/druid/indexer/v1/task"
_NO_SEGMENTS = (
    "Segment IDs committed by a task action are not persisted anymore. "
    "Use the metric 'segment/added/bytes' to identify the segments created by a task."
)
_NO_LOG = "No log was found for this task. The task may not exist, or it may not have begun running yet."
_NO_REPORTS = "No task reports were found for this task. The task may not exist, or it may not have completed yet."
_PLAIN = "text/plain;charset=utf-8"


class TaskResource(Resource):
    """One task: submit, look, end."""

    def __init__(
        self, master: TaskMaster, query: TaskQueryTool, logs: TaskLogs, audit: AuditManager, node: DruidNode
    ) -> None:
        self._master = master
        self._query = query
        self._logs = logs
        self._audit = audit
        self._node = node

    @route("POST", _BASE, access=in_handler)
    def submit(self, request: Request) -> object:
        """Queue a task and answer its id; a taken id or a full queue is an error."""
        task = request.json(Task)  # type: ignore[type-abstract]
        if task is None:
            return error(400, "A task is required")
        request.authorize(ResourceAction.datasource(task.data_source, Action.WRITE))
        stored = self._master.task_queue.add(task)
        summary = {"id": stored.id, "groupId": stored.group_id, "type": stored.type}
        self._audit.record(
            stored.data_source, "task", audit_info(request), summary, request_info(request, self._node.service_name)
        )
        return {"task": stored.id}

    @route("GET", _BASE + "/{id}", access=in_handler)
    def payload(self, request: Request) -> object:
        """The task as it is stored: with the id and the context that were filled in."""
        task_id = request.path_params["id"]
        if not self._authorized(request, Action.READ):
            return self._not_found(task_id)
        return {"task": task_id, "payload": self._query.get_payload(task_id)}

    @route("GET", _BASE + "/{id}/status", access=in_handler)
    def status(self, request: Request) -> object:
        """Where the task stands."""
        task_id = request.path_params["id"]
        status = self._query.get_status(task_id) if self._authorized(request, Action.READ) else None
        return self._not_found(task_id) if status is None else {"task": task_id, "status": status}

    @route("GET", _BASE + "/{id}/segments", access=in_handler)
    def segments(self, request: Request) -> object:
        """Not kept any more, as in Druid."""
        if not self._authorized(request, Action.READ):
            return self._not_found(request.path_params["id"])
        return error(404, _NO_SEGMENTS)

    @route("POST", _BASE + "/{id}/shutdown", access=in_handler)
    def shutdown(self, request: Request) -> object:
        """End the task as FAILED; fine for a task that has ended."""
        task_id = request.path_params["id"]
        if not self._authorized(request, Action.WRITE):
            return self._not_found(task_id)
        self._master.task_queue.shutdown(task_id, "Shutdown request from user")
        return {"task": task_id}

    @route("GET", _BASE + "/{id}/log", access=in_handler, produces=("text/plain",))
    def log(self, request: Request) -> object:
        """The task's log from ``offset`` on (negative: from the end), of a running task too."""
        task_id = request.path_params["id"]
        if not self._authorized(request, Action.READ):
            return self._not_found(task_id)
        try:
            offset = int(request.query("offset", "0"))
        except ValueError:
            return text(404, "HTTP 404 Not Found")
        stream = self._master.task_runner.stream_task_log(task_id, offset)
        if stream is None:
            stream = self._logs.stream_task_log(task_id, offset)
        return text(404, _NO_LOG, _PLAIN) if stream is None else StreamingResponse(stream, media_type=_PLAIN)

    @route("GET", _BASE + "/{id}/reports", access=in_handler)
    def reports(self, request: Request) -> object:
        """The task's reports: live ones while it runs, if it has such."""
        task_id = request.path_params["id"]
        if not self._authorized(request, Action.READ):
            return self._not_found(task_id)
        stream = self._live_reports(task_id)
        if stream is None:
            stream = self._logs.stream_task_reports(task_id)
        return text(404, _NO_REPORTS, "application/json") if stream is None else StreamingResponse(stream)

    def _live_reports(self, task_id: str) -> Iterator[bytes] | None:
        runner = self._master.task_runner
        if runner.get_runner_task_state(task_id) is not RunnerTaskState.RUNNING:
            return None
        return runner.stream_task_reports(task_id)

    def _authorized(self, request: Request, action: Action) -> bool:
        """Check the caller for the task's data source; False when there is no such task."""
        info = self._query.get_info(request.path_params["id"])
        if info is None:
            request.authorize()
            return False
        request.authorize(ResourceAction.datasource(info.data_source, action))
        return True

    @staticmethod
    def _not_found(task_id: str) -> Response:
        return text(404, f"Cannot find any task with id: [{task_id}]")
