"""What duties see of the Overlord."""

from __future__ import annotations

from nemeton.indexing.overlord.master import NotLeaderError, TaskMaster
from nemeton.inject import Provider
from nemeton.spi.duties import LeadingOverlord
from nemeton.spi.indexing import TaskRunner


class TaskMasterView(LeadingOverlord):
    """The task master, which is made after those who are made for it."""

    def __init__(self, master: Provider[TaskMaster]) -> None:
        self._master = master

    @property
    def task_runner(self) -> TaskRunner | None:
        """See `LeadingOverlord`."""
        try:
            return self._master().task_runner
        except NotLeaderError:
            return None
