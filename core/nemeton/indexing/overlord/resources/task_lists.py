"""Lists of tasks, statuses of many, ending many."""

from __future__ import annotations

from nemeton.common.errors import DruidException
from nemeton.indexing.overlord.master import TaskMaster
from nemeton.indexing.overlord.resources.common import text
from nemeton.indexing.overlord.task_query import TaskQueryTool, TaskStatusPlus
from nemeton.spi.auth import Action, ResourceAction
from nemeton.spi.http import Request, Resource, Response, datasource_write, in_handler, route, state_write
from nemeton.time import Interval

_BASE = "/druid/indexer/v1"
_STATES = ("pending", "waiting", "running", "complete")


class TaskListResource(Resource):
    """Tasks by state, data source, type and time."""

    def __init__(self, master: TaskMaster, query: TaskQueryTool) -> None:
        self._master = master
        self._query = query

    @route("GET", _BASE + "/tasks", access=in_handler)
    def tasks(self, request: Request) -> object:
        """All tasks, or those in ``state``; ended ones are bounded by ``createdTimeInterval`` and ``max``."""
        state = request.query("state")
        if state is not None and state not in _STATES:
            request.authorize()
            return text(400, f"Invalid task state[{state}]. Must be one of [{', '.join(_STATES)}].")
        created = request.query("createdTimeInterval")
        return self._list(
            request,
            state,
            created=Interval.parse(created.replace("_", "/", 1)) if created else None,
            max_complete=_number(request, "max"),
        )

    @route("GET", _BASE + "/waitingTasks", access=in_handler)
    def waiting(self, request: Request) -> object:
        """Tasks that wait for locks."""
        return self._list(request, "waiting")

    @route("GET", _BASE + "/pendingTasks", access=in_handler)
    def pending(self, request: Request) -> object:
        """Tasks that wait for a worker."""
        return self._list(request, "pending")

    @route("GET", _BASE + "/runningTasks", access=in_handler)
    def running(self, request: Request) -> object:
        """Tasks that run."""
        return self._list(request, "running")

    @route("GET", _BASE + "/completeTasks", access=in_handler)
    def complete(self, request: Request) -> object:
        """Tasks that have ended lately, at most ``n``."""
        return self._list(request, "complete", max_complete=_number(request, "n"))

    def _list(
        self, request: Request, state: str | None, *, created: Interval | None = None, max_complete: int | None = None
    ) -> list[TaskStatusPlus]:
        data_source = request.query("datasource") or None
        if data_source is not None:
            request.authorize(ResourceAction.datasource(data_source, Action.READ))
        found = self._query.get_list(
            state,
            data_source=data_source,
            created=created,
            max_complete=max_complete,
            task_type=request.query("type") or None,
        )
        sources = {task.data_source for task in found}  # few, where there may be ten thousand tasks
        may = set(request.filter_authorized(sources, lambda name: [ResourceAction.datasource(name, Action.READ)]))
        return [task for task in found if task.data_source in may]

    @route("POST", _BASE + "/taskStatus", access=state_write)
    def statuses(self, request: Request) -> object:
        """The statuses of many tasks; unknown ids are left out."""
        task_ids = request.json(list[str]) if request.body.strip() else None
        if not task_ids:
            return Response(400, body="No Task IDs provided.", media_type="application/json")
        return self._query.get_statuses(task_ids)

    @route("POST", _BASE + "/datasources/{dataSource}/shutdownAllTasks", access=datasource_write("dataSource"))
    def shutdown_all(self, request: Request) -> object:
        """End all tasks of the data source; 404 when it has none."""
        data_source = request.path_params["dataSource"]
        queue = self._master.task_queue
        active = queue.get_active_tasks_for_datasource(data_source)
        if not active:
            return Response(404)
        for task_id in active:
            queue.shutdown(task_id, "Shutdown request from user")
        return {"dataSource": data_source}


def _number(request: Request, name: str) -> int | None:
    value = request.query(name)
    if not value:
        return None
    try:
        return int(value)
    except ValueError:
        raise DruidException(
            f"{name}: must be a number, but is [{value}]", error_code="invalidInput", category="INVALID_INPUT"
        ) from None
