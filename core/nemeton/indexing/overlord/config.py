"""Configuration of the Overlord."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from nemeton.time import Period

_NOTHING = Period()
_HALF_MINUTE = Period(seconds=30)
_MINUTE = Period(minutes=1)
_DAY = Period(hours=24)


@frozen(kw_only=True)
class TaskQueueConfig:
    """``druid.indexer.queue.*``.

    ``start_delay`` is nothing here and one minute in Druid: what the minute waits for (an old leader that is still
    acting) the lockbox and the task storage rule out.
    """

    max_size: int = 2**31 - 1
    start_delay: Period = _NOTHING
    restart_delay: Period = _HALF_MINUTE
    storage_sync_rate: Period = _MINUTE
    task_complete_handler_num_threads: int = 5
    max_task_payload_size: int = 60 * 1024 * 1024


@frozen(kw_only=True)
class DefaultTaskConfig:
    """``druid.indexer.task.default.*``: what every task's context starts from."""

    context: dict[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class TaskLockConfig:
    """``druid.indexer.tasklock.*``.

    ``batch_allocation_wait_time``: so many milliseconds a request for a segment id waits for others to be answered
    with it. ``batch_allocation_reduce_metadata_io``: look at the ids of used segments rather than at all of them.
    """

    force_time_chunk_lock: bool = True
    batch_segment_allocation: bool = True
    batch_allocation_wait_time: int = 0
    batch_allocation_reduce_metadata_io: bool = field(
        default=True, metadata={"property": "batchAllocationReduceMetadataIO"}
    )


@frozen(kw_only=True)
class TaskStorageConfig:
    """``druid.indexer.storage.*``."""

    type: str = "metadata"
    recently_finished_threshold: Period = _DAY
