"""All workers that the Overlord knows, and which of them may be given tasks."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from nemeton.indexing.overlord.runners.blacklist import Blacklist
from nemeton.indexing.overlord.runners.config import RemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.eligible import EligibleWorkers
from nemeton.indexing.overlord.runners.holder import WorkerHolder
from nemeton.indexing.overlord.runners.work_item import RemoteWorkItem
from nemeton.model import Worker
from nemeton.spi.indexing import ImmutableWorkerInfo


@frozen
class Unacknowledged:
    """A worker was given this task, and has not said so yet. ``deadline`` is on the monotonic clock."""

    item: RemoteWorkItem
    deadline: float


class Fleet:
    """Workers by host. Not thread-safe: the runner's lock guards it.

    `eligible` holds those that are ready, not lazy, not blacklisted, not set aside, and owe no acknowledgement. After
    a change to a holder call `refresh`.
    """

    def __init__(self, config: RemoteTaskRunnerConfig) -> None:
        self.eligible = EligibleWorkers()
        self.blacklist = Blacklist(config)
        self._holders: dict[str, WorkerHolder] = {}
        self._lazy: dict[str, WorkerHolder] = {}
        self._set_aside: set[str] = set()
        self._unacknowledged: dict[str, Unacknowledged] = {}
        self._changing: WorkerHolder | None = None

    def __len__(self) -> int:
        return len(self._holders)

    def get(self, host: str) -> WorkerHolder | None:
        """The worker of this name."""
        return self._holders.get(host)

    def holders(self) -> list[WorkerHolder]:
        """All workers."""
        return list(self._holders.values())

    def add(self, holder: WorkerHolder) -> bool:
        """Take a worker; False when there is one of its name."""
        if self._holders.setdefault(holder.host, holder) is not holder:
            return False
        self.refresh(holder)
        return True

    def remove(self, host: str) -> WorkerHolder | None:
        """Forget a worker. What it owes an acknowledgement for goes on being waited for."""
        self._lazy.pop(host, None)
        self._set_aside.discard(host)
        self.blacklist.worker_removed(host)
        self.eligible.discard(host)
        return self._holders.pop(host, None)

    def refresh(self, holder: WorkerHolder) -> None:
        """Let strategies see the worker as it is now, or not at all."""
        host = holder.host
        if holder is self._changing or self._holders.get(host) is not holder:
            return
        barred = host in self._lazy or host in self._set_aside or host in self._unacknowledged
        if holder.is_ready and not barred and host not in self.blacklist:
            self.eligible.put(holder.info)
        else:
            self.eligible.discard(host)

    def begin_change(self, holder: WorkerHolder) -> None:
        """Until `end_change`, `refresh` puts this worker off."""
        self._changing = holder

    def end_change(self, holder: WorkerHolder) -> None:
        """Refresh the worker, once for many changes."""
        self._changing = None
        self.refresh(holder)

    # ---- tasks on their way

    def expect(self, host: str, item: RemoteWorkItem, deadline: float) -> None:
        """The worker is given a task: until it says so it is given no other."""
        self._unacknowledged[host] = Unacknowledged(item, deadline)
        self.eligible.discard(host)

    def settle(self, host: str | None, item: RemoteWorkItem) -> None:
        """The worker runs the task, or never will: it may be given others."""
        if host is None:
            return
        owed = self._unacknowledged.get(host)
        if owed is not None and owed.item is item:
            del self._unacknowledged[host]
            if (holder := self._holders.get(host)) is not None:
                self.refresh(holder)

    def overdue(self, now: float) -> list[tuple[str, RemoteWorkItem]]:
        """Workers, and the tasks that they should have acknowledged by now."""
        found = []
        for host, owed in self._unacknowledged.items():
            if owed.deadline > now:
                break  # all have the same time, so that the first given is the first due
            found.append((host, owed.item))
        return found

    def next_deadline(self) -> float | None:
        """When the next acknowledgement is due."""
        return next((owed.deadline for owed in self._unacknowledged.values()), None)

    @property
    def unacknowledged(self) -> dict[str, str]:
        """Workers and the task ids that they have not acknowledged."""
        return {host: owed.item.task_id for host, owed in self._unacknowledged.items()}

    # ---- workers without tasks

    def set_aside(self, holder: WorkerHolder) -> None:
        """The worker could not be reached: it gets no tasks until `bring_back`."""
        if self._holders.get(holder.host) is holder:
            self._set_aside.add(holder.host)
            self.refresh(holder)

    def bring_back(self, holder: WorkerHolder) -> bool:
        """The worker can be reached; whether it had been set aside."""
        if holder.host not in self._set_aside:
            return False
        self._set_aside.discard(holder.host)
        self.refresh(holder)
        return True

    def mark_lazy(
        self, is_idle: Callable[[WorkerHolder], bool], is_lazy: Callable[[ImmutableWorkerInfo], bool], most: int
    ) -> None:
        """Mark idle workers that ``is_lazy`` picks, until there are so many."""
        for host, holder in self._holders.items():
            if len(self._lazy) >= most:
                return
            if host not in self._lazy and host not in self._unacknowledged and is_idle(holder) and is_lazy(holder.info):
                self._lazy[host] = holder
                self.refresh(holder)

    def is_lazy(self, host: str) -> bool:
        """Whether the worker is marked to be terminated."""
        return host in self._lazy

    @property
    def lazy_workers(self) -> list[Worker]:
        """The workers that are marked to be terminated."""
        return [holder.worker for holder in self._lazy.values()]

    def release_blacklisted(self, now: int) -> bool:
        """Take off the blacklist whose time is over; whether there were any."""
        released = self.blacklist.release(len(self), now)
        for holder in released:
            self.refresh(holder)
        return bool(released)
