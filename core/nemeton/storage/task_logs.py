"""Task logs in a folder."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.spi.storage import TaskLogs
from nemeton.storage.config import FileTaskLogsConfig

log = logging.getLogger(__name__)

_PIECE_BYTES = 1 << 16


def check_task_id(task_id: str) -> None:
    """Raise unless the id can be a part of a path or key that leads nowhere else."""
    if task_id != Path(task_id).name or "\0" in task_id or not task_id:
        raise invalid_input(f"Task id [{task_id}] cannot be the name of a file", field="taskId")


def start_of(offset: int, size: int) -> int:
    """Where to begin in so many bytes: negative offsets count from the end, and either end cuts."""
    return min(offset, size) if offset >= 0 else max(size + offset, 0)


def stream_file(path: Path, offset: int = 0) -> Iterator[bytes] | None:
    """Return a file's content from an offset (negative: from the end) in pieces, None when there is no such file.

    The file is opened at once, so that one that is removed meanwhile still streams to its end. What is appended while
    the stream is read is not part of it.
    """
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return None
    size = os.fstat(file.fileno()).st_size
    start = start_of(offset, size)

    def pieces() -> Iterator[bytes]:
        with file:
            file.seek(start)
            left = size - start
            while left > 0 and (piece := file.read(min(_PIECE_BYTES, left))):
                left -= len(piece)
                yield piece

    return pieces()


@json_type("file")
class FileTaskLogs(TaskLogs):
    """`druid.indexer.logs.type=file`: `<id>.log`, `<id>.report.json` and `<id>.status.json` in one folder."""

    def __init__(self, config: FileTaskLogsConfig) -> None:
        self._directory = Path(config.directory).absolute()

    def _file(self, task_id: str, suffix: str) -> Path:
        check_task_id(task_id)
        return self._directory / f"{task_id}.{suffix}"

    def _push(self, task_id: str, suffix: str, source: Path) -> None:
        target = self._file(task_id, suffix)
        self._directory.mkdir(parents=True, exist_ok=True)
        staging = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        try:
            shutil.copyfile(source, staging)
            staging.replace(target)
        finally:
            staging.unlink(missing_ok=True)

    def push_task_log(self, task_id: str, file: Path) -> None:
        """Copy a task's log."""
        self._push(task_id, "log", file)

    def push_task_reports(self, task_id: str, file: Path) -> None:
        """Copy a task's reports."""
        self._push(task_id, "report.json", file)

    def push_task_status(self, task_id: str, file: Path) -> None:
        """Copy a task's status."""
        self._push(task_id, "status.json", file)

    def stream_task_log(self, task_id: str, offset: int = 0) -> Iterator[bytes] | None:
        """Return a task's log from an offset on; negative: from the end."""
        return stream_file(self._file(task_id, "log"), offset)

    def stream_task_reports(self, task_id: str) -> Iterator[bytes] | None:
        """Return a task's reports."""
        return stream_file(self._file(task_id, "report.json"))

    def stream_task_status(self, task_id: str) -> Iterator[bytes] | None:
        """Return a task's status."""
        return stream_file(self._file(task_id, "status.json"))

    def kill_older_than(self, timestamp_ms: int) -> None:
        """Remove files that were last written before that time."""
        if not self._directory.is_dir():
            return
        for path in self._directory.iterdir():
            if path.is_file() and path.stat().st_mtime * 1000 < timestamp_ms:
                log.info("Removing task log [%s]", path)
                path.unlink(missing_ok=True)

    def kill_all(self) -> None:
        """Remove the folder with all in it."""
        shutil.rmtree(self._directory, ignore_errors=True)
