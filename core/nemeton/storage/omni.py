"""Dispatch by load spec: segments that were pushed to another storage than the one configured now."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nemeton.common.errors import invalid_input
from nemeton.config import JsonConfigurator
from nemeton.inject import Injector
from nemeton.model import DataSegment
from nemeton.plugins import type_names
from nemeton.plugins.lazytype import LazyImportError
from nemeton.plugins.registry import Entry
from nemeton.spi.storage import (
    DataSegmentArchiver,
    DataSegmentKiller,
    DataSegmentMover,
    DataSegmentPuller,
    DeepStorage,
    SegmentLoadingError,
)


class DeepStorages:
    """The storage of each type, made when a load spec first names it. Thread-safe."""

    def __init__(self, configured: DeepStorage, injector: Injector, configurator: JsonConfigurator) -> None:
        self._injector = injector
        self._configurator = configurator
        self._by_type: dict[str, DeepStorage] = dict.fromkeys(type_names(type(configured)), configured)
        self._lock = threading.Lock()

    def of(self, load_spec: Mapping[str, Any] | None) -> DeepStorage:
        """Return the storage for a load spec; raises for one without a type, or with a type that nothing provides."""
        kind = (load_spec or {}).get("type")
        if not isinstance(kind, str):
            raise invalid_input("[type] is missing in a segment's load spec", field="type")
        with self._lock:
            storage = self._by_type.get(kind)
            if storage is None:
                storage = self._by_type[kind] = self._make(kind)
            return storage

    def _make(self, kind: str) -> DeepStorage:
        registry = self._configurator.registry
        if registry is None:
            raise SegmentLoadingError(f"No deep storage of type [{kind}] is known")
        storage: DeepStorage = self._injector.create(registry.get(DeepStorage, kind))
        return storage

    def lacks(self, part: str, segment: DataSegment) -> SegmentLoadingError:
        """The error that the segment's storage has no such part (an optional property of `DeepStorage`)."""
        registry = self._configurator.registry
        entries = {} if registry is None else registry.entries(DeepStorage)
        # what a class inherits it has not got
        known = [name for name in sorted(entries) if _has(entries[name], part)]
        kind = (segment.load_spec or {}).get("type")
        return SegmentLoadingError(f"Unknown loader type[{kind}].  Known types are [{', '.join(known)}]")


def _has(entry: Entry, part: str) -> bool:
    try:
        return getattr(entry.load(), part) is not getattr(DeepStorage, part)
    except LazyImportError:
        return False


class OmniDataSegmentPuller(DataSegmentPuller):
    """Pulls with the storage that the load spec names."""

    def __init__(self, storages: DeepStorages) -> None:
        self._storages = storages

    def pull(self, load_spec: Mapping[str, Any], directory: Path) -> int:
        """Pull a segment of any known storage."""
        return self._storages.of(load_spec).puller.pull(load_spec, directory)


class OmniDataSegmentKiller(DataSegmentKiller):
    """Removes each segment with the storage that its load spec names; tombstones have no files."""

    def __init__(self, storages: DeepStorages) -> None:
        self._storages = storages

    def kill(self, segments: Iterable[DataSegment]) -> None:
        """Remove segments of any known storages."""
        groups: dict[DeepStorage, list[DataSegment]] = defaultdict(list)
        failures = []
        for segment in segments:
            if not segment.is_tombstone:
                groups[self._storages.of(segment.load_spec)].append(segment)
        for storage, group in groups.items():
            try:
                storage.killer.kill(group)
            except SegmentLoadingError as e:
                failures.append(e.message)
        if failures:
            raise SegmentLoadingError("; ".join(failures))


class OmniDataSegmentMover(DataSegmentMover):
    """Moves each segment within the storage that its load spec names."""

    def __init__(self, storages: DeepStorages) -> None:
        self._storages = storages

    def move(self, segment: DataSegment, target_load_spec: Mapping[str, Any]) -> DataSegment:
        """Move a segment; an error when its storage cannot."""
        mover = self._storages.of(segment.load_spec).mover
        if mover is None:
            raise self._storages.lacks("mover", segment)
        return mover.move(segment, target_load_spec)


class OmniDataSegmentArchiver(DataSegmentArchiver):
    """Archives and restores each segment with the storage that its load spec names."""

    def __init__(self, storages: DeepStorages) -> None:
        self._storages = storages

    def archive(self, segment: DataSegment) -> DataSegment | None:
        """Archive a segment; an error when its storage has no archive."""
        return self._of(segment).archive(segment)

    def restore(self, segment: DataSegment) -> DataSegment | None:
        """Restore a segment; an error when its storage has no archive."""
        return self._of(segment).restore(segment)

    def _of(self, segment: DataSegment) -> DataSegmentArchiver:
        archiver = self._storages.of(segment.load_spec).archiver
        if archiver is None:
            raise self._storages.lacks("archiver", segment)
        return archiver
