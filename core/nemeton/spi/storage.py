"""Deep storage and task logs: where segments and logs live when no process holds them."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nemeton.common.errors import DruidException, runtime_failure
from nemeton.model import DataSegment
from nemeton.plugins import extension_point
from nemeton.time import format_datetime


class SegmentLoadingError(DruidException):
    """A segment could not be brought from, or removed from, deep storage (Druid: SegmentLoadingException)."""

    def __init__(self, message: str, **context: str) -> None:
        base = runtime_failure(message)
        super().__init__(
            message, error_code=base.error_code, persona="OPERATOR", category=base.category, context=context
        )


def storage_dir(segment: DataSegment, use_unique_path: bool = False) -> str:
    """Druid's default place of a segment below a storage's root."""
    start, end = format_datetime(segment.interval.start), format_datetime(segment.interval.end)
    place = f"{segment.data_source}/{start}_{end}/{segment.version}/{segment.partition_num}"
    return f"{place}/{uuid.uuid4()}" if use_unique_path else place


class DataSegmentPusher(ABC):
    """Copies finished segments into deep storage. Called by several threads at a time."""

    @abstractmethod
    def push(self, directory: Path, segment: DataSegment, use_unique_path: bool = False) -> DataSegment:
        """Copy the segment's files and return the segment with `load_spec`, `size` and `binary_version` set.

        The segment becomes visible at its place as a whole or not at all. Of two pushes of one segment the later wins;
        with `use_unique_path` each gets a place of its own (streaming tasks and their replicas need that), and whoever
        pushes has to remove what never gets published. Does its own retries. Raises OSError or `DruidException`.
        """

    def storage_dir(self, segment: DataSegment, use_unique_path: bool = False) -> str:
        """Return the segment's place below the storage's root, as Druid lays it out."""
        return storage_dir(segment, use_unique_path)


class DataSegmentPuller(ABC):
    """Brings segments from deep storage. Called by several threads at a time."""

    @abstractmethod
    def pull(self, load_spec: Mapping[str, Any], directory: Path) -> int:
        """Fill `directory`, which exists and is empty, with the segment's files; returns their size in bytes.

        Raises `SegmentLoadingError` when the segment is not there or not readable; the directory may then hold a part
        of it, which the caller removes.
        """


class DataSegmentKiller(ABC):
    """Removes segments from deep storage."""

    @abstractmethod
    def kill(self, segments: Iterable[DataSegment]) -> None:
        """Remove the segments' files; one that is gone already is no error.

        Goes on after a failure, and raises `SegmentLoadingError` at the end that names what could not be removed.
        """

    def kill_all(self) -> None:
        """Remove everything, for `reset-cluster`; storages need not support it."""
        raise SegmentLoadingError(f"{type(self).__name__} cannot remove everything")


class DataSegmentMover(ABC):
    """Moves segments within deep storage, for the `move` and `archive` tasks."""

    @abstractmethod
    def move(self, segment: DataSegment, target_load_spec: Mapping[str, Any]) -> DataSegment:
        """Move the segment's files to the target; returns the segment with its new load spec.

        What the target says depends on the storage. Moving again after a crash half-way finishes the job.
        """


class DataSegmentArchiver(ABC):
    """Moves segments between where they are pushed to and an archive, for the `archive` and `restore` tasks.

    Doing either again after a crash half-way finishes the job.
    """

    @abstractmethod
    def archive(self, segment: DataSegment) -> DataSegment | None:
        """Move the segment's files to the archive; the segment with its new load spec, None when they are there."""

    @abstractmethod
    def restore(self, segment: DataSegment) -> DataSegment | None:
        """Move them from the archive to where they would be pushed to; None when they are there."""


@extension_point(hook="deep_storages", name="deep storage", default="local")
class DeepStorage(ABC):
    """One kind of deep storage: the bundle of what reads, writes and removes segments there.

    Registered by the name that `druid.storage.type` gives; when load specs carry other type names (as `s3` writes
    `s3_zip`), they are further names of the class. Made by the injector; should connect on first use only, since a
    process makes it to read old segments even when new ones go elsewhere.
    """

    @property
    @abstractmethod
    def pusher(self) -> DataSegmentPusher:
        """What pushes to the configured place."""

    @property
    @abstractmethod
    def puller(self) -> DataSegmentPuller:
        """What pulls segments with load specs of this kind."""

    @property
    @abstractmethod
    def killer(self) -> DataSegmentKiller:
        """What removes segments with load specs of this kind."""

    @property
    def mover(self) -> DataSegmentMover | None:
        """What moves segments; None when this storage cannot."""
        return None

    @property
    def archiver(self) -> DataSegmentArchiver | None:
        """What moves segments to an archive and back; None when this storage has no archive."""
        return None


@extension_point(hook="task_logs", name="task log storage", default="file")
class TaskLogs(ABC):
    """Where finished tasks' logs, reports and statuses are kept. Called by several threads at a time.

    Chosen by `druid.indexer.logs.type`. Pushing under an id that exists replaces what is there.
    """

    @abstractmethod
    def push_task_log(self, task_id: str, file: Path) -> None:
        """Store a task's log; the file is the caller's and may change or go afterwards."""

    @abstractmethod
    def push_task_reports(self, task_id: str, file: Path) -> None:
        """Store a task's reports, a JSON file."""

    @abstractmethod
    def push_task_status(self, task_id: str, file: Path) -> None:
        """Store a task's final status, a JSON file."""

    @abstractmethod
    def stream_task_log(self, task_id: str, offset: int = 0) -> Iterator[bytes] | None:
        """Return a task's log from a byte offset on, in pieces; None when there is none.

        A negative offset counts from the end (`tail -c`); beyond either end it is cut to what is there.
        """

    @abstractmethod
    def stream_task_reports(self, task_id: str) -> Iterator[bytes] | None:
        """Return a task's reports in pieces; None when there are none."""

    @abstractmethod
    def stream_task_status(self, task_id: str) -> Iterator[bytes] | None:
        """Return a task's final status in pieces; None when there is none."""

    @abstractmethod
    def kill_older_than(self, timestamp_ms: int) -> None:
        """Remove what was stored before that time (milliseconds since the epoch)."""

    @abstractmethod
    def kill_all(self) -> None:
        """Remove the logs, reports and statuses of all tasks."""
