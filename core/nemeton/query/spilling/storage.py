"""Temporary files of one query: without names, so that nothing of them outlives the process, and bounded in bytes."""

from __future__ import annotations

import os
import tempfile
import threading
from typing import IO

from attrs import frozen

from nemeton.common.errors import illegal_state, resource_limit

Place = tuple[int, int]
"""Where a piece of a file begins, and how many bytes it has."""


class TemporaryStorage:
    """Druid's LimitedTemporaryStorage. Thread-safe.

    The files are removed from their folder as soon as they are open: whatever ends the query, or the process, the
    system takes their space back.
    """

    def __init__(self, folder: str | None, max_bytes: int) -> None:
        """``folder`` is made when it is needed; None: the system's."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._files: set[SpillFile] = set()
        self._closed = False
        self._used = 0
        self.written = 0
        """How many bytes were written in all, also into files that are closed."""

    def create(self) -> SpillFile:
        """A new file, of this storage until it or the storage is closed."""
        if self._folder is not None:
            os.makedirs(self._folder, exist_ok=True)
        with self._lock:
            if self._closed:
                raise illegal_state("The temporary files of this query are closed")
            opened = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - it is open as long as the query runs
            made = SpillFile(self, opened)
            self._files.add(made)
            return made

    def take(self, size: int) -> None:
        """Count bytes before they are written; Druid's error when they are too many."""
        with self._lock:
            if self._used + size > self._max_bytes:
                raise resource_limit(
                    "Not enough disk space to execute this query. Try raising druid.query.groupBy.maxOnDiskStorage."
                )
            self._used += size
            self.written += size

    def forget(self, file: SpillFile, size: int) -> None:
        """The file is closed, and gave so many bytes back."""
        with self._lock:
            self._files.discard(file)
            self._used -= size

    @property
    def used(self) -> int:
        """How many bytes the open files have."""
        return self._used

    def close(self) -> None:
        """Close all files; later ones are refused."""
        with self._lock:
            self._closed = True
            files = list(self._files)
        for file in files:
            file.close()


@frozen(eq=False)
class SpillFile:
    """A file that is written once from front to back, by one thread, and then read in pieces."""

    _storage: TemporaryStorage
    _file: IO[bytes]

    def write(self, data: bytes) -> Place:
        """Append; raises `OSError`, or Druid's error when the query has used up its disk space."""
        self._storage.take(len(data))
        at = self._file.tell()
        self._file.write(data)
        return at, len(data)

    def read(self, place: Place) -> bytes:
        """A piece as it was written."""
        at, size = place
        self._file.seek(at)
        data = self._file.read(size)
        if len(data) != size:
            raise illegal_state("A temporary file of this query has lost its end")
        return data

    def close(self) -> None:
        """Give the space back. May be called more than once."""
        if not self._file.closed:
            self._file.seek(0, os.SEEK_END)
            size = self._file.tell()
            self._file.close()
            self._storage.forget(self, size)
