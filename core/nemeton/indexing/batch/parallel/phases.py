"""One phase of a supervisor task: pieces of work, so many at a time, until all are done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from attrs import define, field

from nemeton.common.errors import DruidException, runtime_failure
from nemeton.indexing.batch.parallel.monitor import SubTaskSpec, TaskMonitor
from nemeton.model import TaskState

if TYPE_CHECKING:
    from nemeton.indexing.batch.parallel.messages import SubTaskReport
    from nemeton.indexing.batch.spec import BatchTuningConfig
    from nemeton.rpc.overlord import OverlordClient

log = logging.getLogger(__name__)

_SOON_S = 0.05
_LOOKS_AFTER_A_REPORT = 8


@define
class Phase:
    """Runs the specs, at most ``maxNumConcurrentSubTasks`` at a time (Druid: ``ParallelIndexPhaseRunner``)."""

    name: str
    specs: list[SubTaskSpec]
    tuning: BatchTuningConfig
    overlord: OverlordClient
    check: Callable[[], None]
    monitor: TaskMonitor = field(init=False)
    stop_reason: str | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.monitor = TaskMonitor(self.overlord, self.tuning.max_retry)

    @property
    def reports(self) -> dict[str, SubTaskReport]:
        """By the ids of the sub tasks that sent them."""
        return self.monitor.reports

    def progress(self) -> dict[str, int]:
        """See `TaskMonitor.progress`."""
        return self.monitor.progress(len(self.specs))

    def stop(self, reason: str) -> None:
        """End as failed, at the next look; from any thread."""
        self.stop_reason = self.stop_reason or reason

    def run(self) -> None:
        """Do all of the work; raises when a piece fails for good, or when told to stop. Nothing runs on after that."""
        if not self.specs:
            log.warning("There is no input to process in phase [%s]", self.name)
            return
        log.info("Phase [%s]: %d pieces of work", self.name, len(self.specs))
        waiting: Iterator[SubTaskSpec] = iter(self.specs)
        try:
            while self._submit_some(waiting):
                self._wait()
                self._look()
        except BaseException:
            self.monitor.stop()
            raise

    def _submit_some(self, waiting: Iterator[SubTaskSpec]) -> bool:
        """Fill the free slots; False when all is done."""
        self._check()
        while self.monitor.num_running < self.tuning.max_num_concurrent_sub_tasks:
            spec = next(waiting, None)
            if spec is None:
                break
            self.monitor.submit(spec)
            self._check()
        return self.monitor.num_running > 0

    def _wait(self) -> None:
        self._waited_for_report = self.monitor.wait(self.tuning.task_status_check_period_ms / 1000)

    def _look(self) -> None:
        """See what has ended. After a report its task ends within moments: then look a few times at short intervals."""
        ended = self._ended()
        pause = _SOON_S
        for _ in range(_LOOKS_AFTER_A_REPORT if self._waited_for_report else 0):
            if ended:
                break
            self.monitor.wait(pause)
            self._check()
            ended = self._ended()
            pause *= 1.5
        for work in ended:
            if work.state is TaskState.FAILED:
                raise runtime_failure(
                    f"Failed in phase[{self.name}]. See task logs for details. Last sub task [{work.task_id}]"
                )

    def _ended(self) -> list[Any]:
        try:
            return self.monitor.look()
        except DruidException as e:
            # the Overlord may be away for long; the sub tasks run on meanwhile
            log.warning("The sub tasks' statuses cannot be had, trying again: %s", e)
            return []

    def _check(self) -> None:
        self.check()
        if self.stop_reason is not None:
            raise runtime_failure(self.stop_reason)

    _waited_for_report: bool = field(init=False, default=False)
