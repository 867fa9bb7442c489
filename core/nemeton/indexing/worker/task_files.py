"""What a worker keeps on disk of the tasks that it was given, laid out as Druid's MiddleManager does.

::

    assignedTasks/<id>     the task, from its assignment until its peon is started
    completedTasks/<id>    its last announcement, until the Overlord has confirmed it
    workerTaskManagerTmp/  where files are written before they are moved into place
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from nemeton.common.errors import invalid_input
from nemeton.common.files import write_atomically
from nemeton.indexing.announcements import TaskAnnouncement
from nemeton.json import Json
from nemeton.spi.indexing import Task

log = logging.getLogger(__name__)

T = TypeVar("T")


class WorkerTaskFiles:
    """The folders of assigned and completed tasks below ``root``. Not thread-safe: its owner holds a lock."""

    def __init__(self, root: Path, json: Json) -> None:
        self._assigned = root / "assignedTasks"
        self._completed = root / "completedTasks"
        self._temporary = root / "workerTaskManagerTmp"
        self._json = json

    def prepare(self) -> None:
        """Make the folders, and empty the temporary one of what a crash left. Raises OSError."""
        shutil.rmtree(self._temporary, ignore_errors=True)
        for folder in (self._assigned, self._completed, self._temporary):
            folder.mkdir(parents=True, exist_ok=True)

    def put_assigned(self, task: Task) -> None:
        """Keep a task that is to be started. Raises OSError."""
        self._write(self._assigned, task.id, self._json.dumps(task))

    def remove_assigned(self, task_id: str) -> None:
        """Forget that the task is to be started; what cannot be removed is logged."""
        self._remove(self._assigned, task_id)

    def assigned(self) -> Iterator[Task]:
        """The tasks that were to be started; a file that cannot be read is logged and passed over."""
        return self._read(self._assigned, lambda data: self._json.loads(data, Task), lambda task: task.id)

    def put_completed(self, announcement: TaskAnnouncement) -> None:
        """Keep how a task ended. Raises OSError."""
        self._write(self._completed, announcement.id, self._json.dumps(announcement))

    def remove_completed(self, task_id: str) -> None:
        """Forget how the task ended; what cannot be removed is logged."""
        self._remove(self._completed, task_id)

    def completed(self) -> Iterator[TaskAnnouncement]:
        """How tasks ended; a file that cannot be read is logged and passed over."""
        return self._read(
            self._completed, lambda data: self._json.loads(data, TaskAnnouncement), lambda announced: announced.id
        )

    def _write(self, folder: Path, task_id: str, data: bytes) -> None:
        if task_id != Path(task_id).name or "\0" in task_id:
            raise invalid_input(f"Task id [{task_id}] cannot be the name of a file", field="id")
        write_atomically(folder / task_id, data, temporary_dir=self._temporary)

    @staticmethod
    def _remove(folder: Path, task_id: str) -> None:
        try:
            with contextlib.suppress(FileNotFoundError):
                (folder / task_id).unlink()
        except OSError:
            log.exception("Cannot remove [%s]", folder / task_id)

    @staticmethod
    def _read(folder: Path, read: Callable[[bytes], T], id_of: Callable[[T], str]) -> Iterator[T]:
        for path in sorted(folder.iterdir()):
            try:
                found = read(path.read_bytes())
                if id_of(found) != path.name:
                    raise ValueError(f"it holds task [{id_of(found)}]")
            except Exception:
                log.exception("The task in [%s] cannot be read; it is ignored", path)
            else:
                yield found
