"""The workers that a task may be given to now, with indexes for strategies that would otherwise look at all of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping

from nemeton.spi.indexing import ImmutableWorkerInfo


class EligibleWorkers(Mapping[str, ImmutableWorkerInfo]):
    """Workers by host: what a strategy is called with. It is live; a strategy must not keep it.

    It is kept up to date as workers change, so that no assignment copies or sorts a thousand workers. Not thread-safe:
    the runner's lock guards it.
    """

    def __init__(self) -> None:
        self._infos: dict[str, ImmutableWorkerInfo] = {}
        self._by_free = _HostsByNumber()
        self._by_used = _HostsByNumber()
        self._used_by_type: dict[str, int] = {}
        self._capacity = 0

    def __getitem__(self, host: str) -> ImmutableWorkerInfo:
        return self._infos[host]

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    # ---- for strategies

    @property
    def has_room(self) -> bool:
        """Whether any of them has a free slot."""
        return self._by_free.largest > 0

    @property
    def total_capacity(self) -> int:
        """The slots of all of them."""
        return self._capacity

    def used_by_type(self, task_type: str) -> int:
        """How many tasks of a type run on them."""
        return self._used_by_type.get(task_type, 0)

    def most_free_first(self) -> Iterator[ImmutableWorkerInfo]:
        """Those with a free slot, from the one with the most free slots; of equals the smaller host name first."""
        return (self._infos[host] for host in self._by_free.descending())

    def most_used_first(self) -> Iterator[ImmutableWorkerInfo]:
        """Those with a free slot, from the one with the most slots in use; of equals the smaller host name first."""
        return (self._infos[host] for host in self._by_used.descending())

    # ---- for the runner

    def put(self, info: ImmutableWorkerInfo) -> None:
        """The worker may be given tasks, and this is its load."""
        host = info.worker.host
        if self._infos.get(host) is info:
            return
        self.discard(host)
        self._infos[host] = info
        if info.available_capacity > 0:
            self._by_free.add(info.available_capacity, host)
            self._by_used.add(info.curr_capacity_used, host)
        self._count(info, 1)

    def discard(self, host: str) -> None:
        """The worker must not be given tasks."""
        info = self._infos.pop(host, None)
        if info is not None:
            if info.available_capacity > 0:
                self._by_free.remove(info.available_capacity, host)
                self._by_used.remove(info.curr_capacity_used, host)
            self._count(info, -1)

    def _count(self, info: ImmutableWorkerInfo, sign: int) -> None:
        self._capacity += sign * info.worker.capacity
        for task_type, number in info.curr_capacity_used_by_task_type.items():
            self._used_by_type[task_type] = self._used_by_type.get(task_type, 0) + sign * number


# ---- the same for any workers, without an index


def most_free_first(workers: Mapping[str, ImmutableWorkerInfo]) -> Iterable[ImmutableWorkerInfo]:
    """Workers from the one with the most free slots; full ones may be left out."""
    if isinstance(workers, EligibleWorkers):
        return workers.most_free_first()
    return sorted(workers.values(), key=lambda info: (-info.available_capacity, info.worker.host))


def most_used_first(workers: Mapping[str, ImmutableWorkerInfo]) -> Iterable[ImmutableWorkerInfo]:
    """Workers from the one with the most slots in use; full ones may be left out."""
    if isinstance(workers, EligibleWorkers):
        return workers.most_used_first()
    return sorted(workers.values(), key=lambda info: (-info.curr_capacity_used, info.worker.host))


def total_capacity(workers: Mapping[str, ImmutableWorkerInfo]) -> int:
    """The slots of all workers."""
    if isinstance(workers, EligibleWorkers):
        return workers.total_capacity
    return sum(info.worker.capacity for info in workers.values())


def used_by_type(workers: Mapping[str, ImmutableWorkerInfo], task_type: str) -> int:
    """How many tasks of a type run on the workers."""
    if isinstance(workers, EligibleWorkers):
        return workers.used_by_type(task_type)
    return sum(info.curr_capacity_used_by_task_type.get(task_type, 0) for info in workers.values())


class _HostsByNumber:
    """Hosts in order of a number (descending), then of their names."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._hosts: dict[int, list[str]] = {}

    @property
    def largest(self) -> int:
        """The largest number, 0 when there is no host."""
        return self._numbers[-1] if self._numbers else 0

    def add(self, number: int, host: str) -> None:
        hosts = self._hosts.get(number)
        if hosts is None:
            hosts = self._hosts[number] = []
            insort(self._numbers, number)
        insort(hosts, host)

    def remove(self, number: int, host: str) -> None:
        hosts = self._hosts[number]
        del hosts[bisect_left(hosts, host)]
        if not hosts:
            del self._hosts[number]
            del self._numbers[bisect_left(self._numbers, number)]

    def descending(self) -> Iterator[str]:
        for number in reversed(self._numbers):
            yield from self._hosts[number]
