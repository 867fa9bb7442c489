"""Performing task actions on the Overlord."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from attrs import define

from nemeton.emitter import ServiceEmitter
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.task_dims import task_dims
from nemeton.json import Json
from nemeton.plugins import type_names
from nemeton.spi.indexing import Task, TaskAction, TaskActionToolbox, TaskRunner
from nemeton.spi.metadata import IndexerMetadataStorageCoordinator, SegmentIdWithShardSpec
from nemeton.spi.supervisors import SupervisorManager

if TYPE_CHECKING:
    from nemeton.indexing.actions.allocation import SegmentAllocateAction

T = TypeVar("T")


class SegmentAllocation(Protocol):
    """Who gives tasks segment ids: the ``SegmentAllocationQueue``."""

    def allocate(self, task: Task, action: SegmentAllocateAction) -> SegmentIdWithShardSpec | None:
        """Return an id, or None when there is none to be had."""
        ...


@define(kw_only=True)
class OverlordActionToolbox:
    """What actions use; see :class:`TaskActionToolbox`. ``task_runner`` is set while there is a leader's runner."""

    lockbox: TaskLockbox
    metadata: IndexerMetadataStorageCoordinator
    segment_allocation: SegmentAllocation
    json: Json
    emitter: ServiceEmitter | None = None
    task_runner: TaskRunner | None = None
    supervisor_manager: SupervisorManager | None = None


class LocalTaskActionClient:
    """Performs actions in this process, in the name of one task."""

    def __init__(self, task: Task, toolbox: TaskActionToolbox) -> None:
        self._task = task
        self._toolbox = toolbox

    def submit(self, action: TaskAction[T]) -> T:
        """Perform the action; raises what it raises. How long it took is the metric ``task/action/run/time``."""
        started = time.monotonic()
        try:
            return action.perform(self._task, self._toolbox)
        finally:
            if self._toolbox.emitter is not None:
                self._toolbox.emitter.emit_metric(
                    "task/action/run/time",
                    round((time.monotonic() - started) * 1000),
                    taskActionType=next(iter(type_names(type(action))), None),
                    **task_dims(self._task),
                )
