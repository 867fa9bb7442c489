"""Debugging endpoints of ``httpRemote``; paths and spelling are Druid's."""

from __future__ import annotations

from typing import Any

from nemeton.indexing.overlord.master import NotLeaderError, TaskMaster
from nemeton.indexing.overlord.runners.http_remote.runner import HttpRemoteTaskRunner
from nemeton.indexing.overlord.runners.work_item import RemoteWorkItem
from nemeton.spi.http import Request, Resource, Response, route, state_read
from nemeton.time import format_datetime

_BASE = "/druid-internal/v1/httpRemoteTaskRunner"


class HttpRemoteTaskRunnerResource(Resource):
    """What the runner knows. 403 where there is no such runner, also on an Overlord that does not lead."""

    def __init__(self, master: TaskMaster) -> None:
        self._master = master

    @route("GET", _BASE + "/knownTasks", access=state_read)
    def known_tasks(self, request: Request) -> object:
        """All tasks, with their states."""
        return self._answer(lambda runner: [_shown(item) for item in runner.get_known_tasks()])

    @route("GET", _BASE + "/pendingTasksQueue", access=state_read)
    def pending_tasks_queue(self, request: Request) -> object:
        """Ids of the tasks that wait, in their order."""
        return self._answer(lambda runner: runner.pending_tasks_queue())

    @route("GET", _BASE + "/workerSyncerDebugInfo", access=state_read)
    def worker_syncer_debug_info(self, request: Request) -> object:
        """How the long polls go."""
        return self._answer(lambda runner: runner.worker_syncer_debug_info())

    @route("GET", _BASE + "/blacklistedWorkers", access=state_read)
    def blacklisted_workers(self, request: Request) -> object:
        """Hosts of workers on which too many tasks have failed."""
        return self._answer(lambda runner: [info.worker.host for info in runner.get_blacklisted_workers()])

    @route("GET", _BASE + "/lazyWorkers", access=state_read)
    def lazy_workers(self, request: Request) -> object:
        """Workers that are to be terminated."""
        return self._answer(lambda runner: list(runner.get_lazy_workers()))

    @route("GET", _BASE + "/workersWithUnacknowledgedTasks", access=state_read)
    def workers_with_unacknowledged_tasks(self, request: Request) -> object:
        """Workers with the task that each was given and does not run yet."""
        return self._answer(lambda runner: runner.workers_with_unacknowledged_tasks())

    @route("GET", _BASE + "/workersEilgibleToRunTasks", access=state_read)
    def workers_eligible_to_run_tasks(self, request: Request) -> object:
        """Workers that may be given tasks now; misspelt as in Druid."""
        return self._answer(lambda runner: runner.workers_eligible_to_run_tasks())

    def _answer(self, ask: Any) -> object:
        try:
            runner = self._master.task_runner
        except NotLeaderError:
            runner = None
        if not isinstance(runner, HttpRemoteTaskRunner):
            return Response(403, body="HttpRemoteTaskRunner is NULL.", media_type="application/json")
        return ask(runner)


def _shown(item: RemoteWorkItem) -> dict[str, Any]:
    return {
        "taskId": item.task_id,
        "createdTime": format_datetime(item.created_time),
        "queueInsertionTime": format_datetime(item.queue_insertion_time),
        "location": item.location,
        "state": item.state.value,
    }
