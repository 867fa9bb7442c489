"""What a worker answers: ``/druid-internal/v1/worker`` for Overlords, ``/druid/worker/v1`` for operators too."""

from __future__ import annotations

from typing import Any

from nemeton.common.errors import invalid_input
from nemeton.http.change_history import Counter
from nemeton.indexing.worker.task_manager import WorkerTaskManager
from nemeton.model import Worker
from nemeton.spi.http import (
    JSON,
    SMILE,
    Request,
    Resource,
    Response,
    StreamingResponse,
    config_write,
    internal,
    route,
    state_read,
    state_write,
)
from nemeton.spi.indexing import Task, TaskRunner

_INTERNAL = "/druid-internal/v1/worker"
_BASE = "/druid/worker/v1"
_PLAIN = "text/plain;charset=utf-8"
_MAX_TIMEOUT_MS = 600_000


class TaskManagementResource(Resource):
    """The tasks of this worker as a long poll, and the assignment of tasks (Druid's class of the same name)."""

    def __init__(self, manager: WorkerTaskManager) -> None:
        self._manager = manager

    @route("GET", _INTERNAL, access=state_read, produces=(JSON, SMILE), long_poll=True)
    async def changes(self, request: Request) -> Response:
        """All tasks for ``counter=-1``; otherwise what changes after it; 204 when nothing does."""
        numbers = {name: _number(request, name) for name in ("counter", "hash", "timeout")}
        if None in numbers.values():
            return Response(404)  # what JAX-RS makes of a parameter that is no number
        counter, hash_, timeout = (number or 0 for number in numbers.values())
        if timeout <= 0:
            raise invalid_input("timeout must be positive.")
        found = await self._manager.changes_since(Counter(counter, hash_), min(timeout, _MAX_TIMEOUT_MS) / 1000)
        return Response(204) if found is None else Response(json=found)

    @route("POST", f"{_INTERNAL}/assignTask", access=internal, produces=(JSON, SMILE))
    def assign(self, request: Request) -> Response:
        """Take a task; 200 also for one that is known already."""
        task = request.json(Task)  # type: ignore[type-abstract]
        if task is None:
            return Response(500, body="task is null", media_type=JSON)
        try:
            self._manager.assign_task(task)
        except (OSError, RuntimeError) as failure:
            return Response(500, body=f"Assign Task[{task.id}] Request failed because [{failure}].", media_type=JSON)
        return Response(200, media_type=JSON)


def _number(request: Request, name: str) -> int | None:
    """The parameter's value, 0 when it is missing; None when it is no number."""
    try:
        return int(request.query(name, "0"))
    except ValueError:
        return None


class WorkerResource(Resource):
    """The worker and its tasks, for operators and Overlords (Druid's class of the same name)."""

    def __init__(self, worker: Worker, runner: TaskRunner, manager: WorkerTaskManager) -> None:
        self._worker = worker
        self._runner = runner
        self._manager = manager

    @route("POST", f"{_BASE}/disable", access=config_write)
    def disable(self, request: Request) -> Any:
        """Take no more tasks; those that run go on."""
        self._manager.set_enabled(False)
        return {self._worker.host: "disabled"}

    @route("POST", f"{_BASE}/enable", access=config_write)
    def enable(self, request: Request) -> Any:
        """Take tasks again."""
        self._manager.set_enabled(True)
        return {self._worker.host: "enabled"}

    @route("GET", f"{_BASE}/enabled", access=state_read)
    def enabled(self, request: Request) -> Any:
        """Whether it takes tasks."""
        return {self._worker.host: self._manager.is_enabled}

    @route("GET", f"{_BASE}/tasks", access=state_read)
    def tasks(self, request: Request) -> Any:
        """The ids of the tasks that the runner has."""
        return [item.task_id for item in self._runner.get_known_tasks()]

    @route("POST", f"{_BASE}/task/{{id}}/shutdown", access=state_write)
    def shutdown(self, request: Request) -> Any:
        """End a task; fine for one that is not here."""
        task_id = request.path_params["id"]
        self._runner.shutdown(task_id, "shut down request via HTTP endpoint")
        return {"task": task_id}

    @route("GET", f"{_BASE}/task/{{id}}/log", access=state_read, produces=("text/plain",))
    def log(self, request: Request) -> Response | StreamingResponse:
        """The log of a task that runs here, from ``offset`` on (negative: from the end)."""
        offset = _number(request, "offset")
        stream = None if offset is None else self._runner.stream_task_log(request.path_params["id"], offset)
        return Response(404, media_type=_PLAIN) if stream is None else StreamingResponse(stream, media_type=_PLAIN)
