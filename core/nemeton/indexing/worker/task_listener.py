"""Who wants to hear what a worker announces of its tasks."""

from __future__ import annotations

from nemeton.indexing.announcements import TaskAnnouncement


class WorkerTaskListener:
    """Told by the manager what it announces, in order, on its one thread for notices; must not block for long.

    What a listener raises is an alert, and the others still hear.
    """

    def task_changed(self, announcement: TaskAnnouncement) -> None:
        """The task has been started, placed, or has ended."""

    def task_started(self, task_id: str) -> None:
        """The worker has taken the task over: whoever asked for it need not ask any more. After `task_changed`."""

    def task_forgotten(self, task_id: str) -> None:
        """The Overlord knows the task's end: it need not be told any more."""

    def enabled_changed(self, enabled: bool) -> None:
        """The worker takes new tasks, or takes none. On the thread of the one who wants it; may raise to refuse."""
