"""Partial segments on the disks of the worker that made them."""

from __future__ import annotations

import logging
import os
import random
import shutil
import threading
import uuid
import zipfile
from pathlib import Path

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException, defensive, runtime_failure
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.indexing.worker.config import WorkerConfig
from nemeton.indexing.worker.shuffle.locations import ShuffleLocation, shuffle_locations
from nemeton.indexing.worker.shuffle.manager import IntermediaryDataManager, bucket_of
from nemeton.indexing.worker.shuffle.partitions import LocalPartitionStat
from nemeton.model import DataSegment, DruidNode
from nemeton.plugins import json_type
from nemeton.rpc.overlord import OverlordClient
from nemeton.spi.indexing import TaskConfig
from nemeton.spi.task_ids import check_id
from nemeton.time import Interval, format_datetime

log = logging.getLogger(__name__)


@json_type("local")
class LocalIntermediaryDataManager(IntermediaryDataManager):
    """Zips below ``<location>/<supervisor task>/<start>/<end>/<bucket>/<sub task>``, as Druid lays them out.

    The worker serves them, and removes those of supervisor tasks that have ended: when asked to by the task itself, or
    when they have not been touched for ``druid.worker.intermediaryPartitionTimeout`` and the Overlord says so.
    """

    def __init__(self, config: TaskConfig, worker: WorkerConfig, overlord: OverlordClient, clock: Clock) -> None:
        self._locations = [ShuffleLocation(location) for location in shuffle_locations(config)]
        self._worker = worker
        self._overlord = overlord
        self._clock = clock
        self._lock = threading.Lock()
        self._turn = random.randrange(len(self._locations))
        self._check_times: dict[str, float] = {}
        self._cleaner: ScheduledExecutor | None = None

    # ---- in peons

    def add_segment(
        self, supervisor_task_id: str, sub_task_id: str, segment: DataSegment, folder: Path, worker: DruidNode | None
    ) -> LocalPartitionStat:
        """See :class:`IntermediaryDataManager`. Tries the locations in turn."""
        spec = bucket_of(segment)
        if worker is None:
            raise defensive("The task does not know its worker, which would have to serve its partial segments")
        place = _place(supervisor_task_id, segment.interval, spec.bucket_id) / sub_task_id
        size = sum(file.stat().st_size for file in folder.iterdir())
        problems = []
        for location in self._in_turn():
            if not location.reserve(size):
                problems.append(f"{location.path}: not enough room for {size} bytes")
                continue
            try:
                _zip(folder, location.path / place)
            except OSError as e:
                location.release(size)
                problems.append(f"{location.path}: {e}")
                continue
            return LocalPartitionStat(
                interval=segment.interval,
                shard_spec=spec,
                host=worker.host,
                port=worker.port_to_use,
                use_https=worker.service_scheme == "https",
            )
        raise runtime_failure(f"Can't find location to handle partial segment of [{segment.interval}]: {problems}")

    def _in_turn(self) -> list[ShuffleLocation]:
        with self._lock:
            self._turn = (self._turn + 1) % len(self._locations)
            return self._locations[self._turn :] + self._locations[: self._turn]

    # ---- in workers

    def find_partition(self, supervisor_task_id: str, sub_task_id: str, interval: Interval, bucket: int) -> Path | None:
        """See :class:`IntermediaryDataManager`. Raises invalid_input for an id that could lead elsewhere."""
        check_id("supervisorTaskId", supervisor_task_id)
        check_id("subTaskId", sub_task_id)
        self._touch(supervisor_task_id)
        for location in self._locations:
            file = location.path / _place(supervisor_task_id, interval, bucket) / sub_task_id
            if file.is_file():
                return file
        return None

    def delete_partitions(self, supervisor_task_id: str) -> None:
        """See :class:`IntermediaryDataManager`."""
        check_id("supervisorTaskId", supervisor_task_id)
        with self._lock:
            self._check_times.pop(supervisor_task_id, None)
        for location in self._locations:
            folder = location.path / supervisor_task_id
            if folder.exists():
                log.info("Removing partial segments in [%s]", folder)
                shutil.rmtree(folder)

    def start(self) -> None:
        """See :class:`IntermediaryDataManager`."""
        self._cleaner = ScheduledExecutor("intermediary-data-manager", self._clock)
        discovery_s = self._worker.intermediary_partition_discovery_period_sec
        cleanup_s = self._worker.intermediary_partition_cleanup_period_sec
        self._cleaner.schedule_with_fixed_delay(self.discover, 0.0, discovery_s)
        self._cleaner.schedule_with_fixed_delay(self.clean_up, cleanup_s, cleanup_s)

    def close(self) -> None:
        """See :class:`IntermediaryDataManager`."""
        cleaner, self._cleaner = self._cleaner, None
        if cleaner is not None:
            cleaner.shutdown()

    def discover(self) -> None:
        """Note supervisor tasks that peons of this worker have begun to keep something for."""
        for location in self._locations:
            for folder in location.path.iterdir() if location.path.is_dir() else ():
                with self._lock:
                    is_known = folder.name in self._check_times
                if not is_known:
                    self._touch(folder.name)

    def clean_up(self) -> None:
        """Remove what belongs to supervisor tasks that were not heard of for a while and have ended."""
        now = self._clock.monotonic()
        with self._lock:
            expired = [task_id for task_id, at in self._check_times.items() if at <= now]
        if not expired:
            return
        try:
            statuses = self._overlord.task_statuses(expired)
        except DruidException as e:
            log.warning("Whether supervisor tasks have ended cannot be had; trying again later: %s", e)
            return
        for task_id in expired:
            status = statuses.get(task_id)
            if status is not None and not status.is_complete:
                self._touch(task_id)
                continue
            try:
                self.delete_partitions(task_id)
            except OSError as e:
                log.warning("Failed to delete partitions for task [%s]: %s", task_id, e)

    def _touch(self, supervisor_task_id: str) -> None:
        timeout_s = self._worker.intermediary_partition_timeout.to_seconds()
        with self._lock:
            self._check_times[supervisor_task_id] = self._clock.monotonic() + timeout_s


def _place(supervisor_task_id: str, interval: Interval, bucket: int) -> Path:
    start, end = format_datetime(interval.start), format_datetime(interval.end)
    return Path(supervisor_task_id, start, end, str(bucket))


def _zip(folder: Path, target: Path) -> None:
    """Zip a segment's files, which are compressed already; the zip is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{uuid.uuid4()}")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
