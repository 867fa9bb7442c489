"""Folders of the segment cache and how full they are."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from nemeton.dataserver.config import StorageLocationConfig
from nemeton.model import DataSegment, SegmentId


class StorageLocation:
    """One folder with a bound on its bytes. Thread-safe."""

    def __init__(self, config: StorageLocationConfig) -> None:
        """The folder is made when the first segment comes."""
        self.path = Path(config.path).absolute()
        self.max_size = int(config.max_size)
        self._free_percent = config.free_space_percent
        self._reserved: dict[SegmentId, int] = {}
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes that are taken or reserved."""
        with self._lock:
            return sum(self._reserved.values())

    def reserve(self, segment: DataSegment) -> bool:
        """Take room for the segment; False when there is not enough. Once per segment: again changes nothing."""
        with self._lock:
            if segment.id in self._reserved:
                return True
            if sum(self._reserved.values()) + segment.size > self.max_size or not self._disk_has(segment.size):
                return False
            self._reserved[segment.id] = segment.size
            return True

    def _disk_has(self, size: int) -> bool:
        if self._free_percent is None:
            return True
        self.path.mkdir(parents=True, exist_ok=True)
        disk = shutil.disk_usage(self.path)
        return disk.free - size >= disk.total * self._free_percent / 100

    def release(self, segment: DataSegment) -> None:
        """Give the room back."""
        with self._lock:
            self._reserved.pop(segment.id, None)
