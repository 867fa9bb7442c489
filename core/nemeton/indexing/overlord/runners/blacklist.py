"""Workers that get no tasks for a while, because task after task has failed on them."""

from __future__ import annotations

import logging

from nemeton.indexing.overlord.runners.config import RemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.holder import WorkerHolder
from nemeton.model import TaskStatus

log = logging.getLogger(__name__)


class Blacklist:
    """At most a share of all workers, each for a time. Not thread-safe: the runner's lock guards it."""

    def __init__(self, config: RemoteTaskRunnerConfig) -> None:
        self._config = config
        self._holders: dict[str, WorkerHolder] = {}
        self._backoff_ms = int(config.worker_black_list_backoff_time.to_seconds() * 1000)

    def __contains__(self, host: str) -> bool:
        return host in self._holders

    def holders(self) -> list[WorkerHolder]:
        """The workers on it."""
        return list(self._holders.values())

    def task_ended(self, holder: WorkerHolder, status: TaskStatus, workers: int, now: int) -> None:
        """Count the end of a task on one of so many workers."""
        if status.is_success:
            holder.failures_in_a_row = 0
            if self._holders.pop(holder.host, None) is not None:
                holder.blacklisted_until = None
                log.info("[%s] removed from blacklist because a task finished with SUCCESS", holder.host)
            return
        holder.failures_in_a_row += 1
        if holder.failures_in_a_row <= self._config.max_retries_before_blacklist:
            return
        if len(self._holders) > self._share_of(workers) - 1:
            return
        holder.blacklisted_until = now + self._backoff_ms
        self._holders[holder.host] = holder
        log.info("Blacklisting [%s] after [%d] failed tasks in a row", holder.host, holder.failures_in_a_row)

    def worker_removed(self, host: str) -> None:
        """A worker that is gone counts no more."""
        self._holders.pop(host, None)

    def release(self, workers: int, now: int) -> list[WorkerHolder]:
        """Take off those whose time is over, or who are too many for so many workers; return them."""
        released = []
        for host, holder in list(self._holders.items()):
            over = holder.blacklisted_until is None or holder.blacklisted_until <= now
            if over or len(self._holders) > self._share_of(workers):
                log.info("Removing [%s] from blacklist because %s", host, "its time is over" if over else "of its size")
                del self._holders[host]
                holder.failures_in_a_row = 0
                holder.blacklisted_until = None
                released.append(holder)
        return released

    def _share_of(self, workers: int) -> float:
        return workers * (self._config.max_percentage_blacklist_workers / 100.0)
