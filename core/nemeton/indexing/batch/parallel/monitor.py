"""Submitting sub tasks and following them until each piece of work is done, or cannot be done."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from nemeton.common.errors import DruidException, invalid_input
from nemeton.indexing.batch.parallel.messages import SubTaskReport
from nemeton.model import TaskState
from nemeton.rpc.client import RetryPolicy
from nemeton.rpc.errors import HttpResponseError

if TYPE_CHECKING:
    from nemeton.rpc.overlord import OverlordClient
    from nemeton.spi.indexing import Task

log = logging.getLogger(__name__)

#: An Overlord may be away while another takes over; work that is under way is worth waiting for.
_SUBMIT = RetryPolicy(deadline_s=600.0, max_pause_s=10.0)
_LOOK = RetryPolicy(deadline_s=60.0, max_pause_s=5.0)
_CANCEL = RetryPolicy(deadline_s=10.0, request_timeout_s=5.0)


@frozen(kw_only=True)
class SubTaskSpec:
    """A piece of work, for which one sub task after another is made until one succeeds (Druid: ``SubTaskSpec``).

    ``make``: number of the attempt, from 0 → the sub task. ``input_split``: what of the input it is about, for people.
    """

    id: str
    group_id: str
    supervisor_task_id: str
    context: Mapping[str, Any]
    input_split: Any
    make: Callable[[int], Task]
    ingestion_spec: Any = None

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid shows it."""
        shown = {
            "id": self.id,
            "groupId": self.group_id,
            "supervisorTaskId": self.supervisor_task_id,
            "context": json.unstructure(dict(self.context)),
            "inputSplit": {"split": json.unstructure(self.input_split)},
        }
        return (
            shown if self.ingestion_spec is None else {**shown, "ingestionSpec": json.unstructure(self.ingestion_spec)}
        )


@define
class SubTaskWork:
    """A piece of work and what became of it. ``history``: the final statuses of its sub tasks, oldest first."""

    spec: SubTaskSpec
    task_id: str = ""
    state: TaskState = TaskState.RUNNING
    current: dict[str, Any] | None = None
    history: list[dict[str, Any]] = field(factory=list)


class TaskMonitor:
    """Submits, looks and retries on one thread; may be asked, and given reports, from any.

    A failed sub task is followed by another, up to ``max_retry`` in all. Of each piece of work exactly one report
    counts: that of the sub task that runs; those of others, whose worker may only have seemed to be lost, are refused.
    """

    def __init__(self, overlord: OverlordClient, max_retry: int) -> None:
        self._overlord = overlord
        self._max_retry = max_retry
        self._lock = threading.Lock()
        self._reported = threading.Event()
        self._work: dict[str, SubTaskWork] = {}
        self._reports: dict[str, SubTaskReport] = {}
        self._failed_attempts = 0

    # ---- on the supervisor task's thread

    def submit(self, spec: SubTaskSpec) -> None:
        """Begin a piece of work. Raises what the Overlord's refusal raises."""
        work = SubTaskWork(spec)
        with self._lock:
            self._work[spec.id] = work
        self._start(work)

    def look(self) -> list[SubTaskWork]:
        """Ask how the sub tasks are, begin again what has failed; what has come to its end since the last look."""
        self._reported.clear()
        running = {work.task_id: work for work in self._snapshot() if work.state is TaskState.RUNNING}
        statuses = self._overlord.with_policy(_LOOK).task_statuses(list(running))
        ended = []
        for task_id, work in running.items():
            status = statuses.get(task_id)
            if status is None:
                self._attempt_failed(work, "The Overlord does not know the task any more")
            elif status.status is TaskState.SUCCESS:
                self._attempt_succeeded(work)
            elif status.status is TaskState.FAILED:
                self._attempt_failed(work, status.error_msg or "See the task's log")
            if work.state.is_complete:
                ended.append(work)
        return ended

    def wait(self, seconds: float) -> bool:
        """Wait, less if a report comes in: then a sub task is about to end. Whether one came."""
        return self._reported.wait(seconds)

    def stop(self) -> None:
        """Cancel what still runs. Failures are logged: a sub task also ends by itself when its supervisor task has."""
        for work in self._snapshot():
            if work.state is TaskState.RUNNING and work.task_id:
                log.info("Cancelling sub task [%s]", work.task_id)
                try:
                    self._overlord.with_policy(_CANCEL).cancel_task(work.task_id)
                except DruidException as e:
                    log.warning("Sub task [%s] cannot be cancelled: %s", work.task_id, e)

    def _start(self, work: SubTaskWork) -> None:
        task = work.spec.make(len(work.history))
        with self._lock:
            work.task_id = task.id  # before it is submitted: its report may be here before the answer
        self._submit_once(task)
        log.info("Submitted sub task [%s] for [%s], attempt %d", task.id, work.spec.id, len(work.history) + 1)
        work.current = self._status_of(task.id)

    def _submit_once(self, task: Task) -> None:
        overlord = self._overlord.with_policy(_SUBMIT)
        try:
            overlord.run_task(task)
        except HttpResponseError as refusal:
            # asked twice when the first answer got lost: then the task is there
            if overlord.task_status(task.id) is None:
                raise
            log.info("Sub task [%s] was submitted by an earlier try: %s", task.id, refusal)

    def _status_of(self, task_id: str) -> dict[str, Any] | None:
        try:
            return self._overlord.with_policy(_LOOK).task_status(task_id)
        except DruidException as e:
            log.warning("The status of sub task [%s] cannot be had: %s", task_id, e)
            return None

    def _attempt_succeeded(self, work: SubTaskWork) -> None:
        with self._lock:
            is_reported = work.task_id in self._reports
        if not is_reported:
            self._attempt_failed(work, "The task succeeded without sending its report")
            return
        self._end(work, TaskState.SUCCESS)

    def _attempt_failed(self, work: SubTaskWork, reason: str) -> None:
        log.warning("Sub task [%s] failed: %s", work.task_id, reason)
        with self._lock:
            self._reports.pop(work.task_id, None)
            self._failed_attempts += 1
        if len(work.history) + 1 >= self._max_retry:
            log.error("[%s] has failed %d times", work.spec.id, len(work.history) + 1)
            self._end(work, TaskState.FAILED)
            return
        self._note_attempt(work, TaskState.FAILED)
        self._start(work)

    def _end(self, work: SubTaskWork, state: TaskState) -> None:
        self._note_attempt(work, state)
        with self._lock:
            work.state, work.current = state, None

    def _note_attempt(self, work: SubTaskWork, state: TaskState) -> None:
        status = self._status_of(work.task_id) or {"id": work.task_id, "statusCode": str(state)}
        with self._lock:
            work.history.append(status)

    def _snapshot(self) -> list[SubTaskWork]:
        with self._lock:
            return list(self._work.values())

    # ---- from any thread

    def collect(self, report: SubTaskReport) -> None:
        """Take a sub task's report; the same one may come again. Raises for that of a task which is not waited for."""
        with self._lock:
            known = self._reports.get(report.task_id)
            if known is not None:
                if known != report:
                    raise invalid_input(f"Task [{report.task_id}] sent two reports that differ")
                return
            waited_for = any(
                work.task_id == report.task_id and work.state is TaskState.RUNNING for work in self._work.values()
            )
            if not waited_for:
                raise invalid_input(f"The report of task [{report.task_id}] is not waited for")
            self._reports[report.task_id] = report
        self._reported.set()

    @property
    def reports(self) -> dict[str, SubTaskReport]:
        """The reports by task id, of sub tasks that run or have succeeded."""
        with self._lock:
            return dict(self._reports)

    @property
    def num_running(self) -> int:
        """How many pieces of work are under way."""
        return len(self.running())

    def running(self) -> list[SubTaskWork]:
        """The work that is under way."""
        return [work for work in self._snapshot() if work.state is TaskState.RUNNING]

    def complete(self) -> list[SubTaskWork]:
        """The work that has come to its end."""
        return [work for work in self._snapshot() if work.state.is_complete]

    def progress(self, estimated: int) -> dict[str, int]:
        """Counts of sub tasks, as ``progress`` answers."""
        running = self.num_running
        succeeded = sum(work.state is TaskState.SUCCESS for work in self._snapshot())
        with self._lock:
            failed = self._failed_attempts
        return {
            "running": running,
            "succeeded": succeeded,
            "failed": failed,
            "complete": succeeded + failed,
            "total": running + succeeded + failed,
            "estimatedExpectedSucceeded": estimated,
        }
