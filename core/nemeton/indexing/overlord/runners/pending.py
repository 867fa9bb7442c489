"""Tasks that wait for a worker, in the order they came, so arranged that a round need not look at each of them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Generator

from nemeton.indexing.overlord.runners.work_item import ItemState, RemoteWorkItem

#: What a choice of worker can hang on when the strategy decides by a task's shape.
Shape = tuple[str, str, int, str]


def shape_of(item: RemoteWorkItem) -> Shape:
    """Type, data source, slots, and the availability group where it may be another task's too."""
    resource = item.resource
    group = "" if resource.availability_group == item.task_id else resource.availability_group
    return (item.task_type, item.data_source, resource.required_capacity, group)


class PendingTasks:
    """First come, first served. Not thread-safe: the runner's lock guards it.

    A task that is no longer PENDING leaves by itself. One that is put back keeps its place.
    """

    def __init__(self) -> None:
        self._arrivals = itertools.count(1)
        self._queues: dict[Shape, list[tuple[int, RemoteWorkItem]]] = {}

    def __bool__(self) -> bool:
        """Whether anything may wait."""
        return bool(self._queues)

    def add(self, item: RemoteWorkItem) -> None:
        """Let the item wait; one that has waited before takes its old place."""
        item.arrival = item.arrival or next(self._arrivals)
        heapq.heappush(self._queues.setdefault(shape_of(item), []), (item.arrival, item))

    def in_order(self, *, by_shape: bool) -> Generator[RemoteWorkItem, None, None]:
        """The waiting items; one that is still PENDING when the next is asked for was not placed.

        With ``by_shape``, others of the shape of one that was not placed are left out.
        """
        heads: list[tuple[int, Shape]] = []
        for shape in list(self._queues):
            self._push_head(heads, shape)
        unplaced: list[RemoteWorkItem] = []
        try:
            while heads:
                _, shape = heapq.heappop(heads)
                _, item = heapq.heappop(self._queues[shape])
                try:
                    yield item
                finally:
                    if item.state is ItemState.PENDING:
                        unplaced.append(item)
                if item.state is not ItemState.PENDING or not by_shape:
                    self._push_head(heads, shape)
        finally:
            for item in unplaced:
                self.add(item)

    def _push_head(self, heads: list[tuple[int, Shape]], shape: Shape) -> None:
        """Tasks that no longer wait drop out here."""
        queue = self._queues[shape]
        while queue and queue[0][1].state is not ItemState.PENDING:
            heapq.heappop(queue)
        if queue:
            heapq.heappush(heads, (queue[0][0], shape))
        else:
            del self._queues[shape]
