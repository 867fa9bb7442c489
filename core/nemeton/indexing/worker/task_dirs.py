"""The folders of running tasks, laid out as Druid's MiddleManager does.

::

    restore.json                          {"runningTasks": [ids]}
    slotN/<id>/task.json                  the task
    slotN/<id>/lock                       locked by the peon while it runs; holds its pid
    slotN/<id>/log                        its standard output and error
    slotN/<id>/attempt/<n>/settings.json  what it is configured with
    slotN/<id>/attempt/<n>/status.json    its final status
    slotN/<id>/attempt/<n>/report.json    its reports
    slotN/<id>/work/                      its own files
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from nemeton.common.files import write_atomically

log = logging.getLogger(__name__)

_ORPHAN_DEADLINE_S = 30.0
_POLL_S = 0.02


@frozen
class TaskDir:
    """One task's folder."""

    path: Path

    @property
    def task_file(self) -> Path:
        """The task's JSON."""
        return self.path / "task.json"

    @property
    def lock_file(self) -> Path:
        """Locked while a peon runs here."""
        return self.path / "lock"

    @property
    def log_file(self) -> Path:
        """What the peon prints."""
        return self.path / "log"

    @property
    def work_dir(self) -> Path:
        """The task's own files."""
        return self.path / "work"

    def attempt_dir(self, attempt: int) -> Path:
        """The folder of one run."""
        return self.path / "attempt" / str(attempt)

    def last_attempt(self) -> int:
        """The number of the last run; 0 when there was none."""
        attempts = self.path / "attempt"
        return max((int(p.name) for p in attempts.iterdir() if p.name.isdigit()), default=0) if attempts.is_dir() else 0

    def delete(self) -> None:
        """Remove everything; what cannot be removed is logged and left."""
        shutil.rmtree(self.path, onerror=lambda _, path, error: log.warning("Cannot remove [%s]: %s", path, error[1]))

    def end_orphan(self, *, deadline_s: float = _ORPHAN_DEADLINE_S) -> None:
        """Kill the peon of an earlier life that still runs here, and wait until it is gone.

        The lock proves that it lives, so the pid in the file cannot be another process's. Raises TimeoutError.
        """
        deadline = time.monotonic() + deadline_s
        while not self._is_lock_free():
            try:
                pid = int(self.lock_file.read_text() or 0)
            except (OSError, ValueError):
                pid = 0
            if pid > 1:
                log.warning("Killing the peon [%d] of an earlier life in [%s]", pid, self.path)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise TimeoutError(f"A process still holds the lock [{self.lock_file}]; end it and start again")
            time.sleep(_POLL_S)

    def _is_lock_free(self) -> bool:
        try:
            with self.lock_file.open("r+") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


class TaskDirs:
    """All task folders of a worker: below each of ``bases``, by default ``root``, which holds ``restore.json``."""

    def __init__(self, root: Path, bases: Sequence[Path] = ()) -> None:
        self.root = root.absolute()
        self.bases = tuple(dict.fromkeys(base.absolute() for base in bases)) or (self.root,)

    def prepare(self) -> None:
        """Make the folders. Raises OSError."""
        for folder in (self.root, *self.bases):
            folder.mkdir(parents=True, exist_ok=True)

    def existing(self) -> Iterator[TaskDir]:
        """Folders left by an earlier life."""
        for slot in (slot for base in self.bases for slot in sorted(base.glob("slot*"))):
            for path in sorted(slot.iterdir()) if slot.is_dir() else ():
                if path.is_dir():
                    yield TaskDir(path)

    def read_restore(self) -> list[str]:
        """Ids of the tasks that ran when ``restore.json`` was last written."""
        try:
            stored: Any = json.loads((self.root / "restore.json").read_text())
            return [str(task_id) for task_id in stored.get("runningTasks", [])]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, AttributeError):
            log.exception("restore.json cannot be read; nothing is restored")
            return []

    def write_restore(self, task_ids: list[str]) -> None:
        """Record which tasks run."""
        self.root.mkdir(parents=True, exist_ok=True)
        write_atomically(self.root / "restore.json", json.dumps({"runningTasks": sorted(task_ids)}).encode())
