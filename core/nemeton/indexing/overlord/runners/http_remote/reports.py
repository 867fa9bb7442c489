"""What follows from what workers tell of their tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from nemeton.http.loop import is_on_event_loop
from nemeton.http.loop_sync import MustWaitError
from nemeton.indexing.announcements import TaskAnnouncement, TaskRemoval, TaskUpdate, WorkerHistoryItem, WorkerMetadata
from nemeton.indexing.overlord.runners.base import FleetTaskRunner, RunnerParts
from nemeton.indexing.overlord.runners.effects import Effects
from nemeton.indexing.overlord.runners.http_remote.worker import HttpWorkerHolder
from nemeton.indexing.overlord.runners.work_item import ItemState, RemoteWorkItem
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.model import TaskStatus

log = logging.getLogger(__name__)

#: So many words about tasks, and those of so many seconds, share a line of the log.
_MOST_TOGETHER, _TOGETHER_S = 100, 0.02
_DISAPPEARED = "This task disappeared on the worker where it was assigned. See overlord logs for more details."


class HttpWorkerReports(FleetTaskRunner):
    """The half of the runner that listens to workers.

    A worker's word is the only truth of where a task runs. A task runs on one worker; others that say that they run it
    are asked to end it, as are those that run what the Overlord has no use for.
    """

    def __init__(self, parts: RunnerParts, storage: TaskStorage) -> None:
        super().__init__(parts)
        self._storage = storage
        self._said: list[str] = []

    # ---- the log

    def _say(self, text: str) -> None:
        """See `FleetTaskRunner`. What a fleet tells within a moment is one line: each costs what taking it in does."""
        self._said.append(text)
        if not is_on_event_loop() or len(self._said) >= _MOST_TOGETHER:
            self._write_what_was_said()
        elif len(self._said) == 1:
            asyncio.get_running_loop().call_later(_TOGETHER_S, self._write_what_was_said)

    def _write_what_was_said(self) -> None:
        with self._state.lock:
            said, self._said = self._said, []
        if said:
            log.info("%s", ", ".join(said))

    # ---- news

    def _synced(self, holder: HttpWorkerHolder, changes: Sequence[WorkerHistoryItem], full: bool) -> None:
        """On the loop or a thread of the worker's syncer, which starts over with all there is when this raises."""
        stored = self._stored_statuses(changes)
        effects = Effects()
        with self._state.lock:
            if self._state.fleet.get(holder.host) is not holder:
                return
            fleet = self._state.fleet
            fleet.begin_change(holder)
            try:
                if full:
                    self._take_all(holder, changes, effects)
                for change in changes:
                    self._take(holder, change, stored, effects)
                holder.is_initialized = True
                fleet.bring_back(holder)
            finally:
                fleet.end_change(holder)
        self._carry_out(effects, holder)

    def _stored_statuses(self, changes: Sequence[WorkerHistoryItem]) -> Mapping[str, TaskStatus]:
        """What the store says of tasks that this runner has never heard of."""
        known = self._state.items.get  # one look-up, which needs no lock
        unknown = [
            change.task_announcement.id
            for change in changes
            if isinstance(change, TaskUpdate) and known(change.task_announcement.id) is None
        ]
        if unknown and is_on_event_loop():
            raise MustWaitError  # all other workers would wait for the store, too
        return self._storage.get_statuses(unknown) if unknown else {}

    def _take_all(self, holder: HttpWorkerHolder, changes: Sequence[WorkerHistoryItem], effects: Effects) -> None:
        """What the worker does not speak of any more it does not have any more."""
        told = {change.task_announcement.id for change in changes if isinstance(change, TaskUpdate)}
        for item in self._state.items.running_on(holder.host):
            if item.task_id not in told:
                self._disappeared(item, holder, effects)
        holder.replace_all(())

    def _take(
        self,
        holder: HttpWorkerHolder,
        change: WorkerHistoryItem,
        stored: Mapping[str, TaskStatus],
        effects: Effects,
    ) -> None:
        if isinstance(change, TaskUpdate):
            announcement = change.task_announcement
            holder.put(announcement)
            item = self._state.items.get(announcement.id) or self._adopt(holder, announcement, stored, effects)
            if item is None:
                return
            if announcement.task_status.is_complete:
                self._says_it_ended(holder, item, announcement, effects)
            else:
                self._says_it_runs(holder, item, announcement, effects)
        elif isinstance(change, TaskRemoval):
            last = holder.remove(change.task_id)
            item = self._state.items.get(change.task_id)
            if item is not None and last is not None and not last.task_status.is_complete:
                self._disappeared(item, holder, effects)
        elif isinstance(change, WorkerMetadata):
            if holder.is_ready == change.disabled:
                log.info("Worker [%s] disabled set to [%s]", holder.host, change.disabled)
            holder.is_ready = not change.disabled

    def _adopt(
        self,
        holder: HttpWorkerHolder,
        announcement: TaskAnnouncement,
        stored: Mapping[str, TaskStatus],
        effects: Effects,
    ) -> RemoteWorkItem | None:
        """Take up a task that an earlier leader gave to the worker; None when the store has no such active task."""
        status = stored.get(announcement.id)
        if status is not None and status.is_running:
            item = RemoteWorkItem.found(announcement, holder.worker, self._clock.now())
            self._state.items.add(item)
            return item
        if not announcement.task_status.is_complete:
            known = "ended" if status is not None else "unknown"
            log.warning("Worker [%s] runs the %s task [%s]", holder.host, known, announcement.id)
            effects.unwanted.append(announcement.id)
        return None

    def _says_it_runs(
        self, holder: HttpWorkerHolder, item: RemoteWorkItem, announcement: TaskAnnouncement, effects: Effects
    ) -> None:
        if item.state is ItemState.COMPLETE:
            log.warning("Worker [%s] runs task [%s], which has ended", holder.host, item.task_id)
            effects.unwanted.append(item.task_id)
            return
        if item.state.is_pending:
            self._state.runs_on(item, holder.worker, acknowledged=True)
            self._say(f"Task [{item.task_id}] started RUNNING on worker [{holder.host}]")
            self._emit_pending_time(item, item.created_time)
        if item.host != holder.host:
            log.warning("Worker [%s] runs task [%s], which [%s] runs", holder.host, item.task_id, item.host)
            effects.unwanted.append(item.task_id)
            return
        self._note_location(item, announcement.task_location)
        if item.stop_reason is not None:  # it was shut down on its way to the worker
            effects.unwanted.append(item.task_id)

    def _says_it_ended(
        self, holder: HttpWorkerHolder, item: RemoteWorkItem, announcement: TaskAnnouncement, effects: Effects
    ) -> None:
        if item.state is ItemState.COMPLETE:
            return  # a worker tells again of its ended tasks when it was restarted
        if item.state.is_pending:
            self._state.runs_on(item, holder.worker, acknowledged=True)
        if item.host != holder.host:
            log.warning("Worker [%s] ended task [%s], which [%s] runs; ignored", holder.host, item.task_id, item.host)
            return
        self._note_location(item, announcement.task_location)
        status = announcement.task_status
        if self._note_end(item, status, holder):
            effects.ended.append((item, status))

    def _disappeared(self, item: RemoteWorkItem, holder: HttpWorkerHolder, effects: Effects) -> None:
        if item.state is not ItemState.RUNNING or item.host != holder.host:
            return
        log.warning("Task [%s] suddenly disappeared on worker [%s]; failing it", item.task_id, holder.host)
        status = TaskStatus.failure(item.task_id, _DISAPPEARED)
        if self._note_end(item, status, holder):
            effects.ended.append((item, status))
