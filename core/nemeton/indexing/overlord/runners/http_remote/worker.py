"""A worker that is followed by long poll."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nemeton.http.loop_sync import LoopChangeSyncer
from nemeton.indexing.announcements import WorkerHistoryItem
from nemeton.indexing.overlord.runners.holder import WorkerHolder
from nemeton.model import Worker

#: A task that was taken is told of at once, and soon again with its place: both come in one answer.
_NEWS_AFTER_S = 0.015
#: Called on the syncer's thread with the worker, what it says, and whether that is all there is.
OnSync = Callable[["HttpWorkerHolder", Sequence[WorkerHistoryItem], bool], None]


class HttpWorkerHolder(WorkerHolder):
    """A worker and its syncer.

    ``is_initialized``: it has told of all its tasks. Before that, and while it says that it is disabled, it is not
    ready. ``set_aside_at``: when it could not be reached last, on the monotonic clock.
    """

    def __init__(self, worker: Worker, now: int, on_sync: OnSync) -> None:
        super().__init__(worker, now, is_ready=False)
        self._on_sync = on_sync
        self.syncer: LoopChangeSyncer[WorkerHistoryItem] | None = None
        self.is_initialized = False
        self.set_aside_at = 0.0

    def full_sync(self, changes: Sequence[WorkerHistoryItem]) -> None:
        """See :class:`ChangeListener`."""
        self._on_sync(self, changes, True)

    def delta_sync(self, changes: Sequence[WorkerHistoryItem]) -> None:
        """See :class:`ChangeListener`."""
        self._on_sync(self, changes, False)

    def ask_soon(self) -> None:
        """It was given a task, and has news in a moment. On the loop of the syncer."""
        if self.syncer is not None:
            self.syncer.hurry(_NEWS_AFTER_S)

    def stop(self) -> None:
        """Follow it no more."""
        if self.syncer is not None:
            self.syncer.stop()
