"""Deep storage and task logs on any object store (``nemeton.spi.objects``), laid out as Druid's cloud extensions do."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.model import DataSegment
from nemeton.spi.objects import ObjectInfo, ObjectLocation, ObjectStore, ObjectStoreError
from nemeton.spi.storage import (
    DataSegmentArchiver,
    DataSegmentKiller,
    DataSegmentMover,
    DataSegmentPuller,
    DataSegmentPusher,
    DeepStorage,
    SegmentLoadingError,
    TaskLogs,
    storage_dir,
)
from nemeton.storage.files import binary_version, unzip, zip_directory
from nemeton.storage.task_logs import check_task_id, start_of

log = logging.getLogger(__name__)

_INDEX_ZIP = "index.zip"
_DESCRIPTOR = "descriptor.json"


def join_key(*parts: str) -> str:
    """Join the parts of a key with single slashes; empty parts are left out."""
    return "/".join(part.strip("/") for part in parts if part.strip("/"))


@frozen
class SegmentLayout:
    """Where segments lie in a store, and how load specs name their places: as Druid's S3 and its like have it.

    ``<root>/<dataSource>/<interval>/<version>/<partition>[/<uuid>]/index.zip``, named by ``bucket`` and ``key``.
    """

    root: ObjectLocation
    load_spec_type: str
    more: Mapping[str, str] = field(factory=dict)
    """What load specs hold beside the type and the place."""

    def place(self, segment: DataSegment, use_unique_path: bool = False) -> ObjectLocation:
        """Where the segment's zip goes; with ``use_unique_path`` to a new place each time."""
        return ObjectLocation(
            self.root.bucket, join_key(self.root.key, storage_dir(segment, use_unique_path), _INDEX_ZIP)
        )

    def load_spec(self, place: ObjectLocation) -> dict[str, Any]:
        """The load spec that names the place."""
        return {"type": self.load_spec_type, "bucket": place.bucket, "key": place.key, **self.more}

    def place_of(self, load_spec: Mapping[str, Any] | None) -> ObjectLocation:
        """The place that a load spec names. Raises ``DruidException`` for one that names none."""
        return ObjectLocation(_text(load_spec, "bucket"), _text(load_spec, "key"))

    def descriptor_of(self, place: ObjectLocation) -> ObjectLocation:
        """The file that old Druids put beside a segment's zip."""
        return ObjectLocation(place.bucket, place.key.removesuffix(_INDEX_ZIP) + _DESCRIPTOR)

    def moved_to(self, target: Mapping[str, Any]) -> SegmentLayout:
        """The layout at the target of a move, ``{"bucket": …, "baseKey": …}``."""
        return evolve(self, root=ObjectLocation(_text(target, "bucket"), _text(target, "baseKey").strip("/")))


def _text(value: Mapping[str, Any] | None, name: str) -> str:
    found = (value or {}).get(name)
    if not isinstance(found, str) or not found:
        raise invalid_input(f"[{name}] is missing in a segment's load spec, or in the target of a move", field=name)
    return found


@frozen
class ObjectDataSegmentPusher(DataSegmentPusher):
    """Pushes a segment as one zip."""

    store: ObjectStore
    layout: SegmentLayout

    def push(self, directory: Path, segment: DataSegment, use_unique_path: bool = False) -> DataSegment:
        """Zip and store; ``size`` is that of the files, as Druid counts it."""
        place = self.layout.place(segment, use_unique_path)
        version = binary_version(directory)
        with tempfile.TemporaryDirectory(prefix="nemeton-push-") as folder:
            zipped = Path(folder) / _INDEX_ZIP
            size = zip_directory(directory, zipped)
            self.store.put(zipped, place)
        log.info("Pushed segment [%s] of %d bytes to [%s]", segment.id, size, place)
        return segment.with_(load_spec=self.layout.load_spec(place), size=size, binary_version=version)


@frozen
class ObjectDataSegmentPuller(DataSegmentPuller):
    """Fetches a segment's zip and unpacks it."""

    store: ObjectStore
    layout: SegmentLayout

    def pull(self, load_spec: Mapping[str, Any], directory: Path) -> int:
        """See :class:`DataSegmentPuller`."""
        place = self.layout.place_of(load_spec)
        with tempfile.TemporaryDirectory(prefix="nemeton-pull-", dir=directory.parent) as folder:
            zipped = Path(folder) / _INDEX_ZIP
            try:
                with zipped.open("wb") as file:
                    file.writelines(self.store.read(place))
            except ObjectStoreError as error:
                what = "does not exist" if error.is_missing else f"cannot be read: {error.message}"
                raise SegmentLoadingError(f"IndexFile[{place}] {what}", location=str(place)) from error
            return unzip(zipped, directory)


def _objects_below(store: ObjectStore, root: ObjectLocation) -> Iterator[ObjectInfo]:
    return store.list_objects(root.bucket, f"{root.key}/" if root.key else "")


@frozen
class ObjectDataSegmentKiller(DataSegmentKiller):
    """Removes segments' zips, and the ``descriptor.json`` that old Druids put beside them."""

    store: ObjectStore
    layout: SegmentLayout

    def kill(self, segments: Iterable[DataSegment]) -> None:
        """See :class:`DataSegmentKiller`."""
        places = [self.layout.place_of(segment.load_spec) for segment in segments]
        self._delete([*places, *map(self.layout.descriptor_of, places)])

    def kill_all(self) -> None:
        """Remove everything below the root."""
        self._delete([info.location for info in _objects_below(self.store, self.layout.root)])

    def _delete(self, places: Iterable[ObjectLocation]) -> None:
        failures = self.store.delete(places)
        if failures:
            listed = ", ".join(f"{place} ({reason})" for place, reason in failures.items())
            raise SegmentLoadingError(f"Couldn't delete {len(failures)} segment files: {listed}")


@frozen
class ObjectDataSegmentMover(DataSegmentMover):
    """Moves segments within the store."""

    store: ObjectStore
    layout: SegmentLayout

    def move(self, segment: DataSegment, target_load_spec: Mapping[str, Any]) -> DataSegment:
        """Move to the root that the target names, see :meth:`SegmentLayout.moved_to`."""
        return self.move_to(segment, self.layout.moved_to(target_load_spec))

    def move_to(self, segment: DataSegment, layout: SegmentLayout) -> DataSegment:
        """Move to where the layout has the segment."""
        source, target = self.layout.place_of(segment.load_spec), layout.place(segment)
        if source != target:
            try:
                self._move(segment, source, target)
            except ObjectStoreError as error:
                raise SegmentLoadingError(f"Unable to move segment [{segment.id}]: {error.message}") from error
        return segment.with_(load_spec={**(segment.load_spec or {}), **self.layout.load_spec(target)})

    def _move(self, segment: DataSegment, source: ObjectLocation, target: ObjectLocation) -> None:
        if self.store.find(source) is not None:
            self.store.move(source, target)
        elif self.store.find(target) is None:
            raise SegmentLoadingError(
                f"Unable to move segment [{segment.id}], present neither at [{source}] nor at [{target}]"
            )


@frozen
class ObjectDataSegmentArchiver(DataSegmentArchiver):
    """Moves segments below the root ``archived`` of the same store, and back below that of the mover's layout."""

    mover: ObjectDataSegmentMover
    archived: ObjectLocation

    def archive(self, segment: DataSegment) -> DataSegment | None:
        """See :class:`DataSegmentArchiver`."""
        return self._move(segment, self.archived)

    def restore(self, segment: DataSegment) -> DataSegment | None:
        """See :class:`DataSegmentArchiver`."""
        return self._move(segment, self.mover.layout.root)

    def _move(self, segment: DataSegment, root: ObjectLocation) -> DataSegment | None:
        if not root.bucket:
            raise SegmentLoadingError("Target bucket is not specified")
        layout = self.mover.layout
        moved = self.mover.move_to(segment, evolve(layout, root=root))
        return None if layout.place_of(moved.load_spec) == layout.place_of(segment.load_spec) else moved


class ObjectDeepStorage(DeepStorage):
    """All four on one store; subclasses give the store and the layout."""

    def __init__(self, store: ObjectStore, layout: SegmentLayout) -> None:
        self._pusher = ObjectDataSegmentPusher(store, layout)
        self._puller = ObjectDataSegmentPuller(store, layout)
        self._killer = ObjectDataSegmentKiller(store, layout)
        self._mover = ObjectDataSegmentMover(store, layout)

    @property
    def pusher(self) -> DataSegmentPusher:
        """What pushes below the root."""
        return self._pusher

    @property
    def puller(self) -> DataSegmentPuller:
        """What reads any bucket that the store may read."""
        return self._puller

    @property
    def killer(self) -> DataSegmentKiller:
        """What removes segments wherever their load specs say they are."""
        return self._killer

    @property
    def mover(self) -> ObjectDataSegmentMover:
        """What moves segments to another bucket or base key."""
        return self._mover


class ObjectTaskLogs(TaskLogs):
    """``<prefix>/<task id>/log``, ``report.json`` and ``status.json``."""

    def __init__(self, store: ObjectStore, root: ObjectLocation) -> None:
        self._store = store
        self._root = root

    def key_of(self, task_id: str, name: str) -> str:
        """The key below the root; ``name`` is ``log``, ``report.json`` or ``status.json``."""
        return f"{task_id}/{name}"

    def _place(self, task_id: str, name: str) -> ObjectLocation:
        check_task_id(task_id)
        return ObjectLocation(self._root.bucket, join_key(self._root.key, self.key_of(task_id, name)))

    def push_task_log(self, task_id: str, file: Path) -> None:
        """Store a task's log."""
        self._store.put(file, self._place(task_id, "log"))

    def push_task_reports(self, task_id: str, file: Path) -> None:
        """Store a task's reports."""
        self._store.put(file, self._place(task_id, "report.json"))

    def push_task_status(self, task_id: str, file: Path) -> None:
        """Store a task's status."""
        self._store.put(file, self._place(task_id, "status.json"))

    def stream_task_log(self, task_id: str, offset: int = 0) -> Iterator[bytes] | None:
        """Return a task's log from an offset on; negative: from the end."""
        return self._stream(self._place(task_id, "log"), offset)

    def stream_task_reports(self, task_id: str) -> Iterator[bytes] | None:
        """Return a task's reports."""
        return self._stream(self._place(task_id, "report.json"), 0)

    def stream_task_status(self, task_id: str) -> Iterator[bytes] | None:
        """Return a task's status."""
        return self._stream(self._place(task_id, "status.json"), 0)

    def _stream(self, place: ObjectLocation, offset: int) -> Iterator[bytes] | None:
        info = self._store.find(place)
        if info is None:
            return None
        start = start_of(offset, info.size)
        return iter(()) if start == info.size else self._store.read(place, start)

    def kill_older_than(self, timestamp_ms: int) -> None:
        """Remove what was stored before that time."""
        self._delete(timestamp_ms)

    def kill_all(self) -> None:
        """Remove all below the prefix."""
        self._delete(None)

    def _delete(self, before_ms: int | None) -> None:
        found = _objects_below(self._store, self._root)
        old = [info.location for info in found if before_ms is None or info.modified_ms < before_ms]
        if failures := self._store.delete(old):
            listed = ", ".join(map(str, failures))
            raise ObjectStoreError(f"{len(failures)} task logs could not be removed: {listed}")
