"""Tasks that can be told to end early."""

from __future__ import annotations

import threading
from typing import Any

from attrs import field, frozen

from nemeton.common.errors import canceled
from nemeton.json import wire
from nemeton.spi.indexing import Task


@frozen(kw_only=True, slots=False)
class StoppableTask(Task):
    """Notes that it was told to stop; its work looks at that between batches and segments."""

    _canceled: threading.Event = field(
        factory=threading.Event, init=False, eq=False, repr=False, metadata=wire(skip=True)
    )

    def stop_gracefully(self) -> None:
        """End before the next batch or segment; nothing is published then."""
        self._canceled.set()

    def check_stopped(self) -> None:
        """Raise if the task was told to stop."""
        if self._canceled.is_set():
            raise canceled(f"Task [{self.id}] was stopped")

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_canceled"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _canceled=threading.Event())
