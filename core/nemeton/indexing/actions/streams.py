"""Actions of tasks that read streams: what they ask of their supervisor."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.json import wire
from nemeton.plugins import json_type
from nemeton.spi.data_source_metadata import DataSourceMetadata
from nemeton.spi.indexing import Task, TaskAction, TaskActionToolbox


@json_type("checkPointDataSourceMetadata")
@frozen(kw_only=True)
class CheckPointDataSourceMetadataAction(TaskAction[bool]):
    """The task has read enough for one sequence: its supervisor should fix where that ends, for all replicas.

    ``checkpoint_metadata`` is where the sequence began. False when there is no such supervisor.
    """

    result_type: ClassVar[object] = bool

    supervisor_id: str
    task_group_id: int
    checkpoint_metadata: DataSourceMetadata = field(
        metadata=wire("checkpointMetadata", aliases=("previousCheckPoint",))
    )

    def __attrs_post_init__(self) -> None:
        if self.checkpoint_metadata.as_start() != self.checkpoint_metadata:
            raise invalid_input("checkpointMetadata must be SeekableStreamStartSequenceNumbers")

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> bool:
        """See :class:`TaskAction`."""
        supervisors = toolbox.supervisor_manager
        return supervisors is not None and supervisors.check_point_data_source_metadata(
            self.supervisor_id, self.task_group_id, self.checkpoint_metadata
        )


@json_type("resetDataSourceMetadata")
@frozen(kw_only=True)
class ResetDataSourceMetadataAction(TaskAction[bool]):
    """Let the supervisor of the data source go on from other offsets; False when there is none."""

    result_type: ClassVar[object] = bool

    data_source: str
    reset_metadata: DataSourceMetadata | None = None

    def perform(self, task: Task, toolbox: TaskActionToolbox) -> bool:
        """See :class:`TaskAction`."""
        supervisors = toolbox.supervisor_manager
        return supervisors is not None and supervisors.reset_supervisor(self.data_source, self.reset_metadata)
