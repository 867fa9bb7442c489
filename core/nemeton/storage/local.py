"""Deep storage in a folder: a disk of this machine, or one that all machines mount."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nemeton.common.errors import invalid_input
from nemeton.model import DataSegment
from nemeton.plugins import json_type
from nemeton.spi.storage import (
    DataSegmentKiller,
    DataSegmentMover,
    DataSegmentPuller,
    DataSegmentPusher,
    DeepStorage,
    SegmentLoadingError,
)
from nemeton.storage.config import LocalStorageConfig
from nemeton.storage.files import (
    binary_version,
    flat_files,
    fsync_directory,
    link_or_copy,
    replace_directory,
    unzip,
    zip_directory,
)

log = logging.getLogger(__name__)

_INDEX_DIR, _INDEX_ZIP = "index", "index.zip"
_INTERMEDIATE = "intermediate_pushes"
_LEVELS_ABOVE = 4  # partition, version, interval, data source: folders that go when they are empty


def _path_of(load_spec: Mapping[str, Any] | None) -> Path:
    path = (load_spec or {}).get("path")
    if not isinstance(path, str) or not path:
        raise invalid_input("[path] is missing in a load spec of type [local]", field="path")
    return Path(path)


class LocalDataSegmentPusher(DataSegmentPusher):
    """Copies segments below `druid.storage.storageDirectory`, by way of a folder that nobody reads."""

    def __init__(self, config: LocalStorageConfig) -> None:
        self._root = Path(config.storage_directory).absolute()
        self._is_zip = config.zip

    def push(self, directory: Path, segment: DataSegment, use_unique_path: bool = False) -> DataSegment:
        """Copy (or hard-link) the files; raises OSError when the disk is full or the folder not writable."""
        files = flat_files(directory)
        version = binary_version(directory)
        size = sum(f.stat().st_size for f in files)
        place = self._root / self.storage_dir(segment, use_unique_path)
        with self._intermediate() as staging:
            if self._is_zip:
                target = place / _INDEX_ZIP
                zip_directory(directory, staging / _INDEX_ZIP)
                fsync_directory(staging)
                place.mkdir(parents=True, exist_ok=True)
                (staging / _INDEX_ZIP).replace(target)
            else:
                target = place / _INDEX_DIR
                for file in files:
                    link_or_copy(file, staging / file.name)
                fsync_directory(staging)
                replace_directory(staging, target)
        spec = {"type": "local", "path": str(target)}
        log.info("Pushed segment [%s] of %d bytes to [%s]", segment.id, size, target)
        return segment.with_(load_spec=spec, size=size, binary_version=version)

    @contextmanager
    def _intermediate(self) -> Iterator[Path]:
        staging = self._root / _INTERMEDIATE / str(uuid.uuid4())
        staging.mkdir(parents=True)
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


class LocalDataSegmentPuller(DataSegmentPuller):
    """Copies a segment folder, or unpacks an `index.zip`.

    Druid hard-links folders. We copy: a cached segment that gets damaged must not be the deep storage's own file.
    """

    def pull(self, load_spec: Mapping[str, Any], directory: Path) -> int:
        """Fill the directory; sub-folders of the source are no part of a segment and are left out, as Druid does."""
        source = _path_of(load_spec)
        if not source.exists():
            raise SegmentLoadingError(f"Asked to load path [{source}], but it doesn't exist", path=str(source))
        if source.is_file() and source.suffix == ".zip":
            return unzip(source, directory)
        if not source.is_dir():
            raise SegmentLoadingError(f"Do not know how to handle source [{source}]", path=str(source))
        size = 0
        try:
            for file in source.iterdir():
                if file.is_file():
                    shutil.copyfile(file, directory / file.name)
                    size += file.stat().st_size
        except OSError as e:
            raise SegmentLoadingError(f"Unable to load from [{source}]: {e}", path=str(source)) from e
        return size


class LocalDataSegmentKiller(DataSegmentKiller):
    """Removes segment folders and zips, and the folders above them that become empty."""

    def __init__(self, config: LocalStorageConfig) -> None:
        self._root = Path(config.storage_directory).absolute()

    def kill(self, segments: Iterable[DataSegment]) -> None:
        """Remove the segments; see `DataSegmentKiller.kill`."""
        failures = []
        for segment in segments:
            try:
                self._kill(segment)
            except (OSError, SegmentLoadingError) as e:
                log.warning("Cannot remove segment [%s]: %s", segment.id, e)
                failures.append(f"{segment.id} ({e})")
        if failures:
            raise SegmentLoadingError(f"Unable to kill {len(failures)} segments: {', '.join(failures)}")

    def _kill(self, segment: DataSegment) -> None:
        path = _path_of(segment.load_spec)
        is_zip = path.suffix == ".zip" and path.is_file()
        if is_zip or (path.name == _INDEX_DIR and path.is_dir()):
            shutil.rmtree(path.parent)
            _prune(path.parent.parent, segment.data_source)
        elif path.exists():
            raise SegmentLoadingError(f"Unknown file type [{path}]", path=str(path))

    def kill_all(self) -> None:
        """Remove the whole storage directory."""
        shutil.rmtree(self._root, ignore_errors=True)


def _prune(folder: Path, data_source: str) -> None:
    """Remove empty folders upwards, the data source's the last."""
    for _ in range(_LEVELS_ABOVE):
        try:
            folder.rmdir()
        except OSError:
            return
        if folder.name == data_source:
            return
        folder = folder.parent


class LocalDataSegmentMover(DataSegmentMover):
    """Moves a segment folder or zip to another root; the target says `{"path": ROOT}` or `{"baseKey": ROOT}`."""

    def __init__(self, pusher: LocalDataSegmentPusher) -> None:
        self._pusher = pusher

    def move(self, segment: DataSegment, target_load_spec: Mapping[str, Any]) -> DataSegment:
        """Move the segment; across file systems it is copied, put in place at once, and then removed here."""
        root = target_load_spec.get("path") or target_load_spec.get("baseKey")
        if not isinstance(root, str):
            raise invalid_input("[path] is missing in the target of a move to [local] storage", field="path")
        source = _path_of(segment.load_spec)
        target = Path(root) / self._pusher.storage_dir(segment) / source.name
        moved = segment.with_(load_spec={"type": "local", "path": str(target)})
        if source == target or (not source.exists() and target.exists()):
            return moved
        if not source.exists():
            raise SegmentLoadingError(f"Segment [{segment.id}] is not at [{source}]", path=str(source))
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = target.with_name(f"{target.name}_moving_{uuid.uuid4()}")
        shutil.move(source, staging)
        if staging.is_dir():
            replace_directory(staging, target)
        else:
            os.replace(staging, target)
        _prune(source.parent, segment.data_source)
        return moved


@json_type("local")
class LocalDeepStorage(DeepStorage):
    """Deep storage of type `local`, in Druid's layout: its folders can be handed to a Druid and back."""

    def __init__(self, config: LocalStorageConfig) -> None:
        self._pusher = LocalDataSegmentPusher(config)
        self._puller = LocalDataSegmentPuller()
        self._killer = LocalDataSegmentKiller(config)
        self._mover = LocalDataSegmentMover(self._pusher)

    @property
    def pusher(self) -> LocalDataSegmentPusher:
        """What pushes below `druid.storage.storageDirectory`."""
        return self._pusher

    @property
    def puller(self) -> LocalDataSegmentPuller:
        """What reads any path."""
        return self._puller

    @property
    def killer(self) -> LocalDataSegmentKiller:
        """What removes segments wherever their load specs say they are."""
        return self._killer

    @property
    def mover(self) -> LocalDataSegmentMover:
        """What moves segments to another root."""
        return self._mover
