"""Tasks that move the files of unused segments: ``move``, ``archive``, ``restore``. The segments stay unused.

Each file is moved once, and then written into the rows of all segments that load it. A task that is run again after a
crash finishes the job.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.actions import SegmentMetadataUpdateAction
from nemeton.indexing.tasks.files import by_file, of_no_other_segment
from nemeton.indexing.tasks.fixed_interval import FixedIntervalTask
from nemeton.json import wire
from nemeton.model import DataSegment, TaskStatus
from nemeton.plugins import json_type
from nemeton.spi.indexing import TaskToolbox
from nemeton.spi.storage import DataSegmentArchiver, DataSegmentMover

log = logging.getLogger(__name__)

Move = Callable[[DataSegment], DataSegment | None]


@frozen(kw_only=True, slots=False)
class MovingTask(FixedIntervalTask):
    """Moves the files of all unused segments within ``interval``; those that a used segment loads, too, stay."""

    default_priority: ClassVar[int] = 0

    @abstractmethod
    def mover(self, toolbox: TaskToolbox) -> Move:
        """What moves a segment's file; it returns the segment as it is then, None when it is there already."""

    def run(self, toolbox: TaskToolbox) -> TaskStatus:
        """Move file by file. The first that cannot be moved fails the task; what was moved before stays so."""
        client, move = toolbox.action_client, self.mover(toolbox)
        unused = self.unused_segments(client)
        movable = of_no_other_segment(client, self.data_source, unused)
        moved = sum(self._move(toolbox, move, members) for members in by_file(movable))
        log.info("[%s]: %d of %d unused segments have a new place", self.id, moved, len(unused))
        return TaskStatus.success(self.id)

    def _move(self, toolbox: TaskToolbox, move: Move, members: list[DataSegment]) -> int:
        first = move(members[0])
        if first is None:
            log.info("No action was taken for [%s]", members[0].id)
            return 0
        segments = [segment.with_(load_spec=first.load_spec) for segment in members]
        toolbox.action_client.submit(SegmentMetadataUpdateAction(segments=segments))
        return len(segments)


def _given(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid_input("target is required (move)")
    return value


@json_type("move")
@frozen(kw_only=True, slots=False)
class MoveTask(MovingTask):
    """Moves to ``target``, of which each deep storage says what it holds (Druid: the class of this name)."""

    target_load_spec: dict[str, Any] = field(
        default=None, converter=_given, metadata=wire("target", aliases=("targetLoadSpec",))
    )

    def mover(self, toolbox: TaskToolbox) -> Move:
        """See :class:`MovingTask`."""
        mover = toolbox.get(DataSegmentMover)  # type: ignore[type-abstract]
        return lambda segment: mover.move(segment, self.target_load_spec)


@json_type("archive")
@frozen(kw_only=True, slots=False)
class ArchiveTask(MovingTask):
    """Moves to the archive of the deep storage (Druid: the class of this name)."""

    def mover(self, toolbox: TaskToolbox) -> Move:
        """See :class:`MovingTask`."""
        return toolbox.get(DataSegmentArchiver).archive  # type: ignore[type-abstract]


@json_type("restore")
@frozen(kw_only=True, slots=False)
class RestoreTask(MovingTask):
    """Moves from the archive to where the deep storage keeps its segments (Druid: the class of this name)."""

    def mover(self, toolbox: TaskToolbox) -> Move:
        """See :class:`MovingTask`."""
        return toolbox.get(DataSegmentArchiver).restore  # type: ignore[type-abstract]
