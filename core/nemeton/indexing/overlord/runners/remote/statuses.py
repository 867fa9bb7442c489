"""What follows from the status nodes of workers."""

from __future__ import annotations

import logging
from abc import abstractmethod

from nemeton.indexing.announcements import TaskAnnouncement
from nemeton.indexing.overlord.runners.base import FleetTaskRunner, RunnerParts
from nemeton.indexing.overlord.runners.effects import Effects
from nemeton.indexing.overlord.runners.remote.worker import ZkWorkerHolder
from nemeton.indexing.overlord.runners.work_item import ItemState, RemoteWorkItem
from nemeton.json import Json
from nemeton.model import TaskStatus

log = logging.getLogger(__name__)

_DISAPPEARED = "The worker that this task was assigned disappeared. See overlord logs for more details."


class StatusNodes(FleetTaskRunner):
    """The half of the runner that reads status nodes.

    A task that nobody here knows of is taken up: an earlier leader may have given it to the worker. The queue has it
    ended, and its node deleted, when it does not know it either.
    """

    def __init__(self, parts: RunnerParts, json: Json) -> None:
        super().__init__(parts)
        self._json = json

    @abstractmethod
    def _worker_read(self, holder: ZkWorkerHolder) -> None:
        """All status nodes of the worker have been read once."""

    def _status_written(self, holder: ZkWorkerHolder, task_id: str, data: bytes) -> None:
        """A status node is new, or was written again. On the thread that follows the worker."""
        try:
            if not data:
                raise ValueError("The node holds nothing")
            announcement = self._json.loads(data, TaskAnnouncement)
        except Exception as error:  # noqa: BLE001 - told to the operators; the other nodes are read as well
            details = {"worker": holder.host, "znode": task_id}
            self._emitter.alert("Failed to handle new worker status", data=details, exception=error)
            return
        effects = Effects()
        with self._state.lock:
            if not holder.is_followed:
                return
            holder.put(announcement)
            self._take(holder, task_id, announcement, effects)
            self._state.fleet.refresh(holder)
        self._carry_out(effects, holder)

    def _status_removed(self, holder: ZkWorkerHolder, task_id: str, data: bytes) -> None:
        """A status node has gone: after the end of its task that is as it should be."""
        effects = Effects()
        with self._state.lock:
            if not holder.is_followed:
                return
            holder.remove(task_id)
            item = self._state.items.get(task_id)
            if item is not None and item.state is ItemState.RUNNING and item.host == holder.host:
                log.warning("Task [%s] just disappeared!", task_id)
                self._end(item, TaskStatus.failure(task_id, _DISAPPEARED), None, effects)
            else:
                log.info("Task [%s] went bye bye.", task_id)
            self._state.fleet.refresh(holder)
        self._carry_out(effects, holder)

    def _initialized(self, holder: ZkWorkerHolder) -> None:
        effects = Effects()
        with self._state.lock:
            for item in self._state.items.running_on(holder.host):
                if item.acknowledged and holder.announces(item.task_id) is None:
                    log.warning("Task [%s] disappeared while worker [%s] was away", item.task_id, holder.host)
                    self._end(item, TaskStatus.failure(item.task_id, _DISAPPEARED), None, effects)
        self._worker_read(holder)
        self._carry_out(effects, holder)

    def _take(self, holder: ZkWorkerHolder, task_id: str, announcement: TaskAnnouncement, effects: Effects) -> None:
        item = self._state.items.get(task_id) or self._adopt(holder, announcement)
        status = announcement.task_status
        log.info("Worker [%s] wrote %s status for task [%s]", holder.host, status.status, task_id)
        if item.state is ItemState.COMPLETE:
            if not status.is_complete:
                effects.unwanted.append(task_id)
            return
        if item.state.is_pending:  # its node was seen before the assignment was over, or an earlier leader's
            self._is_given(item, holder)
        if item.host != holder.host:
            log.warning("Worker [%s] has task [%s], which [%s] runs", holder.host, task_id, item.host)
            if not status.is_complete:
                effects.unwanted.append(task_id)
            return
        item.acknowledged = True
        self._state.fleet.settle(holder.host, item)
        self._note_location(item, announcement.task_location)
        if status.is_complete:
            self._end(item, status, holder, effects)
        elif item.stop_reason is not None:  # it was shut down on its way to the worker
            effects.unwanted.append(task_id)

    def _adopt(self, holder: ZkWorkerHolder, announcement: TaskAnnouncement) -> RemoteWorkItem:
        log.warning("Worker [%s] announced a status for the unknown task [%s]; taken up", holder.host, announcement.id)
        item = RemoteWorkItem.found(announcement, holder.worker, self._clock.now())
        self._state.items.add(item)
        return item

    def _is_given(self, item: RemoteWorkItem, holder: ZkWorkerHolder) -> None:
        """Under the lock: the worker has the task, or its node. Counts as running, which it may not do yet."""
        self._emit_pending_time(item, item.queue_insertion_time)
        self._state.runs_on(item, holder.worker, acknowledged=False)
        log.info("Task [%s] started running on worker [%s]", item.task_id, holder.host)
        self._listeners.status_changed(item.task_id, TaskStatus.running(item.task_id))

    def _end(self, item: RemoteWorkItem, status: TaskStatus, holder: ZkWorkerHolder | None, effects: Effects) -> None:
        if self._note_end(item, status, holder):
            effects.ended.append((item, status))
