"""Durable storage in a folder that all workers share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


class LocalDurableStorage:
    """Files below one folder; their paths are relative to it, with slashes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_files(self) -> list[str]:
        """All files; none when the folder is not there. What vanishes meanwhile is left out."""
        return [
            (Path(parent) / name).relative_to(self._folder).as_posix()
            for parent, _, names in os.walk(self._folder)
            for name in names
        ]

    def remove(self, files: Iterable[str]) -> None:
        """Remove the files, and the folders that are empty after it."""
        for file in files:
            path = self._folder / file
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty, or gone already
                for parent in path.parents:
                    if parent == self._folder:
                        break
                    parent.rmdir()
