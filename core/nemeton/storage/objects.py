"""Deep storage and task logs on any object store (``nemeton.spi.objects``), laid out as Druid's cloud extensions do."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.model import DataSegment
from nemeton.spi.objects import ObjectLocation, ObjectStore, ObjectStoreError
from nemeton.spi.storage import (
    DataSegmentKiller,
    DataSegmentMover,
    DataSegmentPuller,
    DataSegmentPusher,
    DeepStorage,
    SegmentLoadingError,
    TaskLogs,
)
from nemeton.storage.files import binary_version, unzip, zip_directory
from nemeton.storage.task_logs import check_task_id

log = logging.getLogger(__name__)

_INDEX_ZIP = "index.zip"
_DESCRIPTOR = "descriptor.json"

#: Makes a load spec of a place.
LoadSpecOf = Callable[[ObjectLocation], Mapping[str, Any]]


def join_key(*parts: str) -> str:
    """Join the parts of a key with single slashes; empty parts are left out."""
    return "/".join(part.strip("/") for part in parts if part.strip("/"))


def location_of(load_spec: Mapping[str, Any] | None) -> ObjectLocation:
    """The place that a load spec names; raises for one without ``bucket`` or ``key``."""
    bucket, key = (load_spec or {}).get("bucket"), (load_spec or {}).get("key")
    for name, value in (("bucket", bucket), ("key", key)):
        if not isinstance(value, str) or not value:
            raise invalid_input(f"[{name}] is missing in a segment's load spec", field=name)
    return ObjectLocation(str(bucket), str(key))


@frozen
class ObjectDataSegmentPusher(DataSegmentPusher):
    """Pushes a segment as one zip: ``<baseKey>/<dataSource>/<interval>/<version>/<partition>/index.zip``."""

    store: ObjectStore
    root: ObjectLocation
    """The bucket, and the base key."""
    load_spec_of: LoadSpecOf

    def push(self, directory: Path, segment: DataSegment, use_unique_path: bool = False) -> DataSegment:
        """Zip and store; ``size`` is that of the files, as Druid counts it."""
        place = ObjectLocation(
            self.root.bucket, join_key(self.root.key, self.storage_dir(segment, use_unique_path), _INDEX_ZIP)
        )
        version = binary_version(directory)
        with tempfile.TemporaryDirectory(prefix="nemeton-push-") as folder:
            zipped = Path(folder) / _INDEX_ZIP
            size = zip_directory(directory, zipped)
            self.store.put(zipped, place)
        log.info("Pushed segment [%s] of %d bytes to [%s]", segment.id, size, place)
        return segment.with_(load_spec=dict(self.load_spec_of(place)), size=size, binary_version=version)


@frozen
class ObjectDataSegmentPuller(DataSegmentPuller):
    """Fetches a segment's zip and unpacks it. A transfer that breaks is taken up where it broke."""

    store: ObjectStore

    def pull(self, load_spec: Mapping[str, Any], directory: Path) -> int:
        """See :class:`DataSegmentPuller`."""
        place = location_of(load_spec)
        with tempfile.TemporaryDirectory(prefix="nemeton-pull-", dir=directory.parent) as folder:
            zipped = Path(folder) / _INDEX_ZIP
            try:
                with zipped.open("wb") as file:
                    file.writelines(self.store.read(place))
            except ObjectStoreError as error:
                what = "does not exist" if error.is_missing else f"cannot be read: {error.message}"
                raise SegmentLoadingError(f"IndexFile[{place}] {what}", location=str(place)) from error
            return unzip(zipped, directory)


@frozen
class ObjectDataSegmentKiller(DataSegmentKiller):
    """Removes segments' zips, and the ``descriptor.json`` that old Druids put beside them."""

    store: ObjectStore
    root: ObjectLocation

    def kill(self, segments: Iterable[DataSegment]) -> None:
        """See :class:`DataSegmentKiller`."""
        places = []
        for segment in segments:
            place = location_of(segment.load_spec)
            places += [place, ObjectLocation(place.bucket, f"{place.key.rpartition('/')[0]}/{_DESCRIPTOR}")]
        self._delete(places)

    def kill_all(self) -> None:
        """Remove everything below the base key."""
        prefix = f"{self.root.key}/" if self.root.key else ""
        self._delete([info.location for info in self.store.list_objects(self.root.bucket, prefix)])

    def _delete(self, places: Iterable[ObjectLocation]) -> None:
        failures = self.store.delete(places)
        if failures:
            listed = ", ".join(f"{place} ({reason})" for place, reason in failures.items())
            raise SegmentLoadingError(f"Couldn't delete {len(failures)} segment files: {listed}")


@frozen
class ObjectDataSegmentMover(DataSegmentMover):
    """Copies, looks whether the copy is there, and only then removes the original."""

    store: ObjectStore
    pusher: DataSegmentPusher

    def move(self, segment: DataSegment, target_load_spec: Mapping[str, Any]) -> DataSegment:
        """Move to ``{"bucket": …, "baseKey": …}``."""
        source = location_of(segment.load_spec)
        bucket, base_key = target_load_spec.get("bucket"), target_load_spec.get("baseKey")
        if not isinstance(bucket, str) or not bucket or not isinstance(base_key, str):
            raise invalid_input("The target of a move must have a bucket and a baseKey", field="bucket")
        target = ObjectLocation(bucket, join_key(base_key, self.pusher.storage_dir(segment), _INDEX_ZIP))
        if source != target:
            self._move(segment, source, target)
        return segment.with_(load_spec={**(segment.load_spec or {}), "bucket": target.bucket, "key": target.key})

    def _move(self, segment: DataSegment, source: ObjectLocation, target: ObjectLocation) -> None:
        try:
            if self.store.find(source) is None:
                if self.store.find(target) is None:
                    raise SegmentLoadingError(
                        f"Unable to move segment [{segment.id}], present neither at [{source}] nor at [{target}]"
                    )
                return
            self.store.copy(source, target)
            if self.store.find(target) is None:
                raise SegmentLoadingError(f"The copy of [{source}] is not at [{target}], although it was made")
        except ObjectStoreError as error:
            raise SegmentLoadingError(f"Unable to move segment [{segment.id}]: {error.message}") from error
        if failures := self.store.delete([source]):
            log.warning("[%s] was copied to [%s] and stays, too: %s", source, target, failures[source])


class ObjectDeepStorage(DeepStorage):
    """All four on one store; subclasses give the store, the place, and how a load spec names a place."""

    def __init__(self, store: ObjectStore, root: ObjectLocation, load_spec_of: LoadSpecOf) -> None:
        self._pusher = ObjectDataSegmentPusher(store, root, load_spec_of)
        self._puller = ObjectDataSegmentPuller(store)
        self._killer = ObjectDataSegmentKiller(store, root)
        self._mover = ObjectDataSegmentMover(store, self._pusher)

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
    def mover(self) -> DataSegmentMover:
        """What moves segments to another bucket or base key."""
        return self._mover


class ObjectTaskLogs(TaskLogs):
    """``<prefix>/<task id>/log``, ``report.json`` and ``status.json``."""

    def __init__(self, store: ObjectStore, root: ObjectLocation) -> None:
        self._store = store
        self._root = root

    def _place(self, task_id: str, name: str) -> ObjectLocation:
        check_task_id(task_id)
        return ObjectLocation(self._root.bucket, join_key(self._root.key, task_id, name))

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
        start = min(offset, info.size) if offset >= 0 else max(info.size + offset, 0)
        return iter(()) if start == info.size else self._store.read(place, start)

    def kill_older_than(self, timestamp_ms: int) -> None:
        """Remove what was stored before that time."""
        self._delete(timestamp_ms)

    def kill_all(self) -> None:
        """Remove all below the prefix."""
        self._delete(None)

    def _delete(self, before_ms: int | None) -> None:
        prefix = f"{self._root.key}/" if self._root.key else ""
        found = self._store.list_objects(self._root.bucket, prefix)
        old = [info.location for info in found if before_ms is None or info.modified_ms < before_ms]
        if failures := self._store.delete(old):
            listed = ", ".join(map(str, failures))
            raise ObjectStoreError(f"{len(failures)} task logs could not be removed: {listed}")
