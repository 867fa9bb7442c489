"""The folders in which a worker keeps partial segments."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

from nemeton.spi.indexing import ShuffleLocationConfig, TaskConfig

PROPERTY = "druid.indexer.task.shuffleDataLocations"


def shuffle_locations(config: TaskConfig) -> list[ShuffleLocationConfig]:
    """Those of the configuration; by default a folder beside the tasks' own."""
    if config.shuffle_data_locations:
        return list(config.shuffle_data_locations)
    root = Path(config.base_task_dir or config.base_dir)
    return [ShuffleLocationConfig(path=str(root / "intermediary-segments"))]


def locations_property(config: TaskConfig) -> dict[str, str]:
    """The property by which a peon is told to use exactly its worker's folders."""
    shown = [
        {"path": str(Path(c.path).absolute()), "maxSize": c.max_size, "freeSpacePercent": c.free_space_percent}
        for c in shuffle_locations(config)
    ]
    return {PROPERTY: json.dumps(shown)}


class ShuffleLocation:
    """One folder with a bound on its bytes, as far as this process knows of them. Thread-safe."""

    def __init__(self, config: ShuffleLocationConfig) -> None:
        self.path = Path(config.path).absolute()
        self._max_size = int(config.max_size)
        self._free_percent = config.free_space_percent
        self._lock = threading.Lock()
        self._used: int | None = None

    def reserve(self, size: int) -> bool:
        """Take room for a file; False when there is not enough."""
        with self._lock:
            self.path.mkdir(parents=True, exist_ok=True)
            if self._used is None:
                self._used = _size_below(self.path)
            if self._used + size > self._max_size or not self._disk_has(size):
                return False
            self._used += size
            return True

    def release(self, size: int) -> None:
        """Give the room back."""
        with self._lock:
            self._used = max((self._used or 0) - size, 0)

    def _disk_has(self, size: int) -> bool:
        if self._free_percent is None:
            return True
        disk = shutil.disk_usage(self.path)
        return disk.free - size >= disk.total * self._free_percent / 100


def _size_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # somebody cleans up
    return total
