"""A folder for one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from nemeton.common.errors import DruidException


class FolderLock:
    """Keeps a second user off a folder, in this process too. The kernel gives it back however the process ends.

    ``mend`` ends the message that a second user gets: what its operator should do.
    """

    def __init__(self, folder: Path, mend: str, name: str = ".lock") -> None:
        self._folder = folder
        self._mend = mend
        self._name = name
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the folder, which must exist. Raises a `DruidException` that names who has it."""
        file = (self._folder / self._name).open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                file.seek(0)
                holder = file.read().strip() or "another process"
            raise DruidException(
                f"Data folder [{self._folder}] is in use by {holder}; {self._mend}",
                error_code="invalidInput",
                persona="OPERATOR",
                category="INVALID_INPUT",
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the folder back; fine when it is not held."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
