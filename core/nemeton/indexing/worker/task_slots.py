"""Which of a worker's disks a task gets (Druid: ``TaskStorageDirTracker``)."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from nemeton.common.errors import capacity_exceeded


@frozen
class StorageSlot:
    """Room for one task at a time: a folder, and how many bytes the task should keep to."""

    directory: Path
    num_bytes: int


class TaskSlots:
    """As many slots as tasks may run, spread over the base folders; handed out in turn. Thread-safe."""

    def __init__(self, bases: Sequence[Path], capacity: int, base_size: int) -> None:
        """``base_size``: how many bytes all tasks of one base folder should keep to."""
        per_base = -(-capacity // len(bases))
        self._slots = [
            StorageSlot(bases[n % len(bases)] / f"slot{n // len(bases)}", base_size // per_base)
            for n in range(capacity)
        ]
        self._taken: set[Path] = set()
        self._next = 0
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """How many slots are taken."""
        return len(self._taken)

    @contextmanager
    def taking(self, preferred: Path | None = None) -> Iterator[StorageSlot]:
        """Have a slot, the one with the preferred folder if it is free. Raises ``capacityExceeded`` without any."""
        slot = self._take(preferred)
        try:
            yield slot
        finally:
            with self._lock:
                self._taken.discard(slot.directory)

    def _take(self, preferred: Path | None) -> StorageSlot:
        with self._lock:
            in_turn = self._slots[self._next :] + self._slots[: self._next]
            free = [slot for slot in in_turn if slot.directory not in self._taken]
            if not free:
                raise capacity_exceeded(f"All {len(self._slots)} slots of this worker are taken")
            slot = next((slot for slot in free if slot.directory == preferred), free[0])
            self._taken.add(slot.directory)
            self._next = (self._slots.index(slot) + 1) % len(self._slots)
            return slot
