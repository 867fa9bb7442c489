"""What the Overlord's other parts ask of the supervisors of streams, once there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nemeton.spi.data_source_metadata import DataSourceMetadata
    from nemeton.spi.metadata import PendingSegment


class SupervisorManager(Protocol):
    """The supervisors by id. Thread-safe; every method returns soon, what takes long goes on in the supervisor."""

    def check_point_data_source_metadata(
        self, supervisor_id: str, task_group_id: int, checkpoint_metadata: DataSourceMetadata
    ) -> bool:
        """A task has read enough for one sequence: let its group agree on where it ends. False: no such supervisor."""
        ...

    def reset_supervisor(self, supervisor_id: str, metadata: DataSourceMetadata | None) -> bool:
        """Set the offsets of the supervisor to these, or forget them (None). False: no such supervisor."""
        ...

    def get_active_supervisor_id_for_datasource_with_append_lock(self, data_source: str) -> str | None:
        """Return the supervisor whose tasks append to the data source with APPEND locks, if there is one."""
        ...

    def register_upgraded_pending_segment_on_supervisor(self, supervisor_id: str, pending: PendingSegment) -> bool:
        """Tell the tasks that hold the segment which ``pending`` was made from to announce it under this id, too."""
        ...
