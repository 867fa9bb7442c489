"""Segment ids for rows: pick the interval, lock it, get an id for it.

Requests of one task group for one time chunk are worked on together, as they need the same look at the used segments,
mostly the same lock, and one transaction for all their ids.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException, defensive, illegal_argument
from nemeton.indexing.overlord.lock_rules import LockRequest
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.model import DataSegment, LockGranularity
from nemeton.spi.indexing import Task
from nemeton.spi.metadata import IndexerMetadataStorageCoordinator, SegmentCreateRequest, SegmentIdWithShardSpec
from nemeton.time import ALL, STANDARD, Granularity, Interval, PeriodGranularity

if TYPE_CHECKING:
    from nemeton.indexing.actions.allocation import SegmentAllocateAction

log = logging.getLogger(__name__)

#: So often a request is tried while the used segments keep changing.
MAX_ATTEMPTS = 90
_RETRY_PAUSE_S = (0.05, 0.5)


@define(eq=False)
class AllocateRequest:
    """A task's wish for a segment id, and what has come of it: an id, an error, or neither yet.

    ``loss`` says why nothing can come of it any more: the task has ended, or lost its lock.
    """

    task: Task
    action: SegmentAllocateAction
    segment_id: SegmentIdWithShardSpec | None = None
    error: DruidException | None = None
    loss: DruidException | None = None
    attempts: int = 0
    row_interval: Interval = field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.task.data_source != self.action.data_source:
            raise illegal_argument(
                "Task dataSource must match action dataSource, "
                f"[{self.task.data_source}] != [{self.action.data_source}]."
            )
        bucket = self.action.query_granularity.bucket(self.action.timestamp)
        self.row_interval = (
            bucket if bucket.duration > 1 else Interval(self.action.timestamp, self.action.timestamp + 1)
        )

    @property
    def is_done(self) -> bool:
        """There is an id."""
        return self.segment_id is not None

    @property
    def is_open(self) -> bool:
        """There is neither an id nor an error."""
        return self.segment_id is None and self.error is None


@frozen
class AllocateKey:
    """What requests have in common that can be worked on together. ``overwrites``: see ``PartialShardSpec``."""

    data_source: str
    group_id: str
    interval: Interval
    granularity: Granularity
    skip_segment_lineage_check: bool
    lock_granularity: LockGranularity
    overwrites: bool

    @classmethod
    def of(cls, request: AllocateRequest) -> AllocateKey:
        """The key of a request."""
        action = request.action
        return cls(
            data_source=action.data_source,
            group_id=request.task.group_id,
            interval=action.preferred_segment_granularity.bucket(action.timestamp),
            granularity=action.preferred_segment_granularity,
            skip_segment_lineage_check=action.skip_segment_lineage_check,
            lock_granularity=action.lock_granularity,
            overwrites=action.shard_spec_factory.overwrites,
        )


class SegmentAllocator:
    """Allocates for requests of one key. Thread-safe."""

    def __init__(
        self, lockbox: TaskLockbox, metadata: IndexerMetadataStorageCoordinator, *, reduce_metadata_io: bool = True
    ) -> None:
        self._lockbox = lockbox
        self._metadata = metadata
        self._reduce_metadata_io = reduce_metadata_io

    def allocate_one(self, task: Task, action: SegmentAllocateAction, clock: Clock) -> SegmentIdWithShardSpec | None:
        """Return the segment for rows at the action's timestamp, or None when its interval is not to be had.

        Raises when the task is not active, or its lock has been revoked.
        """
        request = AllocateRequest(task, action)
        while self.allocate(AllocateKey.of(request), [request]):
            clock.sleep(random.uniform(*_RETRY_PAUSE_S))
        failure = request.error or request.loss
        if failure is not None and not request.is_done:
            raise failure
        return request.segment_id

    def allocate(self, key: AllocateKey, requests: Sequence[AllocateRequest]) -> list[AllocateRequest]:
        """Give each request an id if that can be done; return those that are worth another try.

        Rows join the interval of the used segments that are there; else a segment of the preferred granularity, or of
        a finer one, is begun. Who gets nothing tries again when somebody has published in the meantime.
        """
        for request in requests:
            request.attempts += 1
        used = self._used_segments(key)
        self._allocate_beside(key, used, requests)
        left = [request for request in requests if request.is_open]
        if not left or self._used_segments(key) == used:
            return []
        return [request for request in left if request.attempts < MAX_ATTEMPTS]

    def _used_segments(self, key: AllocateKey) -> set[DataSegment]:
        return self._metadata.retrieve_used_segments_for_allocation(
            key.data_source, key.interval, reduce_metadata_io=self._reduces_io(key)
        )

    def _reduces_io(self, key: AllocateKey) -> bool:
        return self._reduce_metadata_io and key.lock_granularity is LockGranularity.TIME_CHUNK

    def _allocate_beside(
        self, key: AllocateKey, used: Iterable[DataSegment], requests: Sequence[AllocateRequest]
    ) -> None:
        intervals = sorted({segment.interval for segment in used})
        joining: dict[Interval, list[AllocateRequest]] = {}
        beginning: list[AllocateRequest] = []
        for request in requests:
            interval = next((i for i in intervals if i.overlaps(request.row_interval)), None)
            if interval is None:
                beginning.append(request)
            elif interval.contains(request.row_interval):
                joining.setdefault(interval, []).append(request)
            else:
                log.warning("Rows of [%s] lie across the used segments of [%s]", request.row_interval, interval)
        for interval, members in joining.items():
            self._allocate_in(key, interval, members)
        for granularity in finer_granularities(key.granularity):
            waiting = [request for request in beginning if request.is_open]
            for interval, members in _by_interval(waiting, granularity).items():
                self._allocate_in(key, interval, members)

    # ---- in one interval

    def _allocate_in(self, key: AllocateKey, interval: Interval, requests: Sequence[AllocateRequest]) -> None:
        requests = [request for request in requests if self._is_active(request)]
        if not requests:
            return
        if key.lock_granularity is LockGranularity.TIME_CHUNK:
            versions = [self._lock_time_chunk(request, interval) for request in requests]
            locked = [(r, version) for r, version in zip(requests, versions, strict=True) if version is not None]
            for request, segment_id in self._new_ids(key, interval, locked):
                request.segment_id = segment_id
            return
        version = self._lockbox.new_version(key.data_source, requests[0].action.task_lock_type)
        for request, segment_id in self._new_ids(key, interval, [(request, version) for request in requests]):
            if segment_id is not None and self._lock_partition(request, segment_id):
                request.segment_id = segment_id

    def _lock_time_chunk(self, request: AllocateRequest, interval: Interval) -> str | None:
        """The version of the lock; None without one."""
        return self._lock(request, LockRequest.of(request.task, request.action.task_lock_type, interval))

    def _lock_partition(self, request: AllocateRequest, segment_id: SegmentIdWithShardSpec) -> bool:
        wish = LockRequest.of(
            request.task,
            request.action.task_lock_type,
            segment_id.interval,
            version=segment_id.version,
            partition_id=segment_id.shard_spec.partition_num,
        )
        return self._lock(request, wish) is not None

    def _lock(self, request: AllocateRequest, wish: LockRequest) -> str | None:
        request.error = request.loss = None
        try:
            result = self._lockbox.try_lock(request.task, wish)
        except DruidException as error:
            request.error = error
            return None
        if result.revoked:
            request.loss = defensive(f"The lock for interval[{wish.interval}] is preempted and no longer valid")
        return result.task_lock.version if result.task_lock is not None and result.is_ok else None

    def _is_active(self, request: AllocateRequest) -> bool:
        if self._lockbox.is_active(request.task):
            return True
        request.loss = defensive(f"Unable to grant lock to inactive Task [{request.task.id}]")
        return False

    def _new_ids(
        self, key: AllocateKey, interval: Interval, requests: Sequence[tuple[AllocateRequest, str]]
    ) -> list[tuple[AllocateRequest, SegmentIdWithShardSpec | None]]:
        """One transaction for all; ``requests`` come with the versions of their locks."""
        if not requests:
            return []
        ids = self._metadata.allocate_pending_segments(
            key.data_source,
            interval,
            [_create_request(request, version) for request, version in requests],
            skip_segment_lineage_check=key.skip_segment_lineage_check,
            reduce_metadata_io=self._reduces_io(key),
        )
        return [(request, segment_id) for (request, _), segment_id in zip(requests, ids, strict=True)]


def _create_request(request: AllocateRequest, version: str) -> SegmentCreateRequest:
    action = request.action
    return SegmentCreateRequest(
        sequence_name=action.sequence_name,
        previous_segment_id=action.previous_segment_id,
        version=version,
        partial_shard_spec=action.shard_spec_factory,
        task_allocator_id=request.task.group_id,
    )


def _by_interval(
    requests: Iterable[AllocateRequest], granularity: Granularity
) -> dict[Interval, list[AllocateRequest]]:
    found: dict[Interval, list[AllocateRequest]] = {}
    for request in requests:
        bucket = granularity.bucket(request.action.timestamp)
        if bucket.contains(request.row_interval):
            found.setdefault(bucket, []).append(request)
    return found


def finer_granularities(preferred: Granularity) -> list[Granularity]:
    """The standard granularities that are not coarser than ``preferred``, coarse to fine, in its time zone.

    A granularity that is not standard itself (``PT2H``) is not among them, as in Druid. Weeks divide nothing and are
    divided by nothing but days: they are there only for who prefers them.
    """
    found = []
    for name, standard in STANDARD.items():
        only_if_preferred = name in ("ALL", "WEEK") and preferred != standard
        granularity = _like(standard, preferred)
        if name != "NONE" and not only_if_preferred and not preferred.is_finer_than(granularity):
            found.append(granularity)
    return sorted(found, key=lambda granularity: -granularity.bucket(0).duration)


def _like(standard: Granularity, preferred: Granularity) -> Granularity:
    if preferred == ALL or not (isinstance(standard, PeriodGranularity) and isinstance(preferred, PeriodGranularity)):
        return standard
    return PeriodGranularity(standard.period, preferred.origin, preferred.time_zone)
