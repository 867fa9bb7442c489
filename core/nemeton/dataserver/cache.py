"""The segment cache on disk: which segments are here, fetched whole or not at all, found again at the next start."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from nemeton.common.errors import DruidException
from nemeton.common.locks import KeyedLocks
from nemeton.dataserver.config import SegmentLoaderConfig
from nemeton.dataserver.locations import StorageLocation
from nemeton.json import Json
from nemeton.model import DataSegment
from nemeton.spi.storage import DataSegmentPuller, SegmentLoadingError
from nemeton.time import format_datetime

if TYPE_CHECKING:
    from nemeton.model.columns import Segment

log = logging.getLogger(__name__)

QUARANTINE = "__quarantine__"
_TEMPORARY = "__loading__"


class SegmentCacheManager:
    """Keeps segments in the locations of ``druid.segmentCache`` (Druid: ``SegmentLocalCacheManager``). Thread-safe.

    A segment is pulled into a temporary folder and renamed into place, so that what lies in place is whole. One
    file per segment in the info folder says what is cached. A segment that cannot be opened is moved aside, into the
    location's ``__quarantine__`` folder, and fetched once more.
    """

    def __init__(self, config: SegmentLoaderConfig, puller: DataSegmentPuller, json: Json) -> None:
        """Nothing is touched on disk yet."""
        self._config = config
        self._puller = puller
        self._json = json
        self.locations = [StorageLocation(location) for location in config.locations]
        self._info_dir = Path(config.info_dir) if config.info_dir else self.locations[0].path / "info_dir"
        self._locks = KeyedLocks()

    @property
    def max_size(self) -> int:
        """Bytes that all locations may hold."""
        return sum(location.max_size for location in self.locations)

    # ---- what is cached

    def cached_segments(self) -> list[DataSegment]:
        """The segments that the last run left here, with their room reserved; debris of a crash is removed."""
        self._remove_debris()
        found = []
        for info in sorted(self._info_dir.glob("*")) if self._info_dir.is_dir() else []:
            segment = self._read_info(info)
            if segment is None:
                continue
            location = self._location_of(segment)
            if location is None and not segment.is_tombstone:
                log.warning("The files of cached segment [%s] are gone; it is forgotten", segment.id)
                info.unlink(missing_ok=True)
                continue
            if location is not None:
                location.reserve(segment)
            found.append(segment)
        return found

    def _remove_debris(self) -> None:
        for location in self.locations:
            shutil.rmtree(location.path / _TEMPORARY, ignore_errors=True)
        for partial in self._info_dir.glob(".*.tmp") if self._info_dir.is_dir() else []:
            partial.unlink(missing_ok=True)

    def _read_info(self, info: Path) -> DataSegment | None:
        if not info.is_file() or info.name.startswith("."):
            return None
        try:
            segment: DataSegment = self._json.loads(info.read_bytes(), DataSegment)
        except (OSError, DruidException):
            log.exception("Cannot read [%s]; the segment is forgotten", info)
            info.unlink(missing_ok=True)
            return None
        return segment

    def store_info(self, segment: DataSegment) -> None:
        """Note that the segment is cached; the note is on disk, whole, when this returns."""
        self._info_dir.mkdir(parents=True, exist_ok=True)
        partial = self._info_dir / f".{uuid.uuid4().hex}.tmp"
        with partial.open("wb") as out:
            out.write(self._json.dumps(segment))
            out.flush()
            os.fsync(out.fileno())
        partial.replace(self._info_dir / str(segment.id))

    def remove_info(self, segment: DataSegment) -> None:
        """Forget that the segment is cached."""
        (self._info_dir / str(segment.id)).unlink(missing_ok=True)

    # ---- fetching and opening

    def open(self, segment: DataSegment) -> Segment | None:
        """The segment, fetched if need be, and checked; None for a tombstone, which has no rows.

        Raises `SegmentLoadingError` when it cannot be had: no room, not in deep storage, or damaged there as well.
        """
        if segment.is_tombstone:
            return None
        with self._locks.holding(segment.id):
            directory = self._fetch(segment)
            try:
                return _open_checked(directory)
            except Exception as failure:  # noqa: BLE001 - whatever a reader says of damaged files
                log.warning("Cached segment [%s] is damaged, it is fetched again: %s", segment.id, failure)
                self._quarantine(segment)
            directory = self._fetch(segment)
            try:
                return _open_checked(directory)
            except Exception as failure:
                self._quarantine(segment)
                raise SegmentLoadingError(
                    f"Segment [{segment.id}] is damaged in deep storage too: {failure}", segmentId=str(segment.id)
                ) from failure

    def _fetch(self, segment: DataSegment) -> Path:
        location = self._location_of(segment)
        if location is not None:
            location.reserve(segment)
            return location.path / storage_dir(segment)
        failures: list[str] = []
        for location in sorted(self.locations, key=lambda each: each.used - each.max_size):
            if not location.reserve(segment):
                failures.append(f"{location.path}: {segment.size} bytes do not fit")
                continue
            try:
                return self._pull(segment, location)
            except Exception as failure:
                location.release(segment)
                if isinstance(failure, SegmentLoadingError):
                    raise
                failures.append(f"{location.path}: {failure}")
                log.warning("Cannot load segment [%s] into [%s]", segment.id, location.path, exc_info=True)
        raise SegmentLoadingError(
            f"Segment [{segment.id}] cannot be loaded: {'; '.join(failures)}", segmentId=str(segment.id)
        )

    def _pull(self, segment: DataSegment, location: StorageLocation) -> Path:
        temporary = location.path / _TEMPORARY / uuid.uuid4().hex
        temporary.mkdir(parents=True)
        try:
            self._puller.pull(segment.load_spec or {}, temporary)
            final = location.path / storage_dir(segment)
            final.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return final

    def _quarantine(self, segment: DataSegment) -> None:
        location = self._location_of(segment)
        if location is None:
            return
        # one damaged copy per segment is kept: enough to look at, and no disk filled by retries
        aside = location.path / QUARANTINE / str(segment.id)
        shutil.rmtree(aside, ignore_errors=True)
        aside.parent.mkdir(parents=True, exist_ok=True)
        (location.path / storage_dir(segment)).replace(aside)
        location.release(segment)

    def cleanup(self, segment: DataSegment) -> None:
        """Remove the segment's files, if ``deleteOnRemove`` allows, and the note."""
        with self._locks.holding(segment.id):
            self.remove_info(segment)
            location = self._location_of(segment)
            if location is None:
                return
            if self._config.delete_on_remove:
                _remove_upwards(location.path / storage_dir(segment), location.path)
            location.release(segment)

    def _location_of(self, segment: DataSegment) -> StorageLocation | None:
        return next((each for each in self.locations if (each.path / storage_dir(segment)).is_dir()), None)


def storage_dir(segment: DataSegment) -> str:
    """Where a segment lies below a location, as Druid lays it out."""
    start, end = format_datetime(segment.interval.start), format_datetime(segment.interval.end)
    return f"{segment.data_source}/{start}_{end}/{segment.version}/{segment.partition_num}"


def _open_checked(directory: Path) -> Segment:
    from nemeton.segment.index import QueryableIndex

    index = QueryableIndex.open(directory)
    try:
        index.check()
    except BaseException as failure:
        # a column of a kind that this version cannot read is no damage: queries that touch it say so
        if not isinstance(failure, DruidException) or failure.category != "UNSUPPORTED":
            index.close()
            raise
    return index


def _remove_upwards(directory: Path, root: Path) -> None:
    """Remove a folder and the parents that it leaves empty, below the root."""
    shutil.rmtree(directory, ignore_errors=True)
    for parent in directory.parents:
        if parent == root or root not in parent.parents:
            return
        try:
            parent.rmdir()
        except OSError:
            return
