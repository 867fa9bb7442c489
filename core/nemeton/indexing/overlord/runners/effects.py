"""What follows from the word of a worker, gathered under the runner's lock and carried out without it."""

from __future__ import annotations

from attrs import define, field

from nemeton.indexing.overlord.runners.work_item import RemoteWorkItem
from nemeton.model import TaskStatus


@define
class Effects:
    """``ended``: first ends of tasks, to be told. ``unwanted``: tasks that the worker should end."""

    ended: list[tuple[RemoteWorkItem, TaskStatus]] = field(factory=list)
    unwanted: list[str] = field(factory=list)
