"""Locks and pending segments over HTTP, and task actions."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException
from nemeton.indexing.overlord.lock_filters import LockFilterPolicy, active_locks, locked_intervals
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.overlord.master import TaskMaster
from nemeton.indexing.overlord.resources.common import error
from nemeton.indexing.overlord.storage import OVERLORD, TaskStorage
from nemeton.spi.auth import Action, ResourceAction
from nemeton.spi.http import Request, Resource, Response, in_handler, internal, route, state_write
from nemeton.spi.indexing import Task, TaskAction
from nemeton.spi.metadata import IndexerMetadataStorageCoordinator
from nemeton.time import ETERNITY, Interval, format_datetime

_BASE = "/druid/indexer/v1"


class LockResource(Resource):
    """Who holds what."""

    def __init__(
        self,
        master: TaskMaster,
        lockbox: TaskLockbox,
        storage: TaskStorage,
        metadata: IndexerMetadataStorageCoordinator,
        clock: Clock,
    ) -> None:
        self._master = master
        self._lockbox = lockbox
        self._storage = storage
        self._metadata = metadata.acting_for(OVERLORD)
        self._clock = clock

    @route("POST", _BASE + "/lockedIntervals", access=state_write)
    def locked_intervals_v1(self, request: Request) -> object:
        """Locked intervals by data source, for ``{dataSource: lowest priority}``."""
        priorities = request.json(dict[str, int]) if request.body.strip() else None
        if not priorities:
            return Response(400, body="No Datasource provided", media_type="application/json")
        return self._intervals([LockFilterPolicy(data_source=name, priority=low) for name, low in priorities.items()])

    @route("POST", _BASE + "/lockedIntervals/v2", access=state_write)
    def locked_intervals(self, request: Request) -> object:
        """Locked intervals by data source, for a list of filters."""
        policies = self._policies(request)
        return self._intervals(policies) if policies else _no_filter()

    @route("POST", _BASE + "/activeLocks", access=state_write)
    def active_locks(self, request: Request) -> object:
        """Locks in force by data source, for a list of filters."""
        policies = self._policies(request)
        if not policies:
            return _no_filter()
        self._require_leader()
        locks = active_locks(self._lockbox, policies)
        return {"datasourceToLocks": {name: [lock.to_tagged_json() for lock in held] for name, held in locks.items()}}

    def _policies(self, request: Request) -> list[LockFilterPolicy]:
        return request.json(list[LockFilterPolicy]) if request.body.strip() else []

    def _intervals(self, policies: list[LockFilterPolicy]) -> dict[str, list[Interval]]:
        self._require_leader()
        return locked_intervals(self._lockbox, policies)

    def _require_leader(self) -> None:
        _ = self._master.task_queue

    @route("DELETE", _BASE + "/pendingSegments/{dataSource}", access=in_handler)
    def delete_pending_segments(self, request: Request) -> object:
        """Delete pending segments made within ``interval``, when no task that may use them is active."""
        data_source = request.path_params["dataSource"]
        request.authorize(*(ResourceAction.datasource(data_source, action) for action in (Action.READ, Action.WRITE)))
        given = request.query("interval")
        interval = Interval.parse(given) if given else ETERNITY
        for info in self._storage.get_active_infos(data_source):
            if info.created_time < interval.end:
                now = format_datetime(self._clock.now())
                shown = given or f"{now}/{now}"
                return error(
                    400,
                    f"Cannot delete pendingSegments for datasource[{data_source}] as there is at least one active "
                    f"task[{info.id}] created at[{format_datetime(info.created_time)}] that overlaps with the delete "
                    f"interval[{shown}]. Please retry when there are no active tasks.",
                )
        deleted = self._metadata.delete_pending_segments_created_in_interval(data_source, interval)
        return {"numDeleted": deleted}


@frozen(kw_only=True)
class TaskActionHolder:
    """The body of an action request."""

    task: Task
    action: TaskAction[Any]


class TaskActionResource(Resource):
    """``POST /druid/indexer/v1/action``: what peons ask for."""

    def __init__(self, master: TaskMaster) -> None:
        self._master = master

    @route("POST", _BASE + "/action", access=internal, has_deadline=False)
    def perform(self, request: Request) -> object:
        """Perform the action in the name of the task; ``{"result": …}``.

        A body that makes no sense is answered with 400, an action that fails with 500, both as ``{"error": …}``.
        """
        queue = self._master.task_queue  # not the leader: 503, and the client asks again
        holder = request.json(TaskActionHolder)
        if holder is None:
            return error(500, "task and action are required")
        # the queue's own object, when there is one: what a caller sends cannot change a task's group or priority
        task = queue.get_active_task(holder.task.id) or holder.task
        try:
            result = self._master.action_client(task).submit(holder.action)
        except DruidException as failure:
            if failure.category == "CAPACITY_EXCEEDED":  # not the leader any more, or too busy: ask again
                return error(failure.http_status, failure.message)
            return error(500, f"{_JAVA_CLASSES.get(failure.error_code, _DRUID_EXCEPTION)}: {failure.message}")
        return {"result": result}


#: What Druid's peons (and people who search for an error) know failures by.
_DRUID_EXCEPTION = "org.apache.druid.error.DruidException"
_JAVA_CLASSES = {
    "defensive": "org.apache.druid.java.util.common.ISE",
    "illegalArgument": "java.lang.IllegalArgumentException",
}


def _no_filter() -> Response:
    return Response(400, body="No filter provided", media_type="application/json")
