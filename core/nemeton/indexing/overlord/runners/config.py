"""Configuration of the runners whose workers are other processes."""

from __future__ import annotations

from attrs import field, frozen, validators

from nemeton.config import HumanReadableBytes
from nemeton.spi.indexing import WorkerTaskRunnerConfig
from nemeton.time import Period

_MINUTE = Period(minutes=1)
_THREE_MINUTES = Period(minutes=3)
_FIVE_MINUTES = Period(minutes=5)
_QUARTER = Period(minutes=15)
_HALF_MEBIBYTE = HumanReadableBytes(512 * 1024)
_SMALLEST_ZNODE = HumanReadableBytes(10 * 1024)
_TOO_LARGE_A_ZNODE = HumanReadableBytes(2**31)

_at_least_one = validators.ge(1)


@frozen(kw_only=True)
class RemoteTaskRunnerConfig(WorkerTaskRunnerConfig):
    """``druid.indexer.runner.*`` of the types ``remote`` and ``httpRemote``.

    ``max_znode_bytes`` and ``task_shutdown_link_timeout`` mean something to ``remote`` alone.
    """

    task_assignment_timeout: Period = _FIVE_MINUTES
    task_cleanup_timeout: Period = _QUARTER
    max_znode_bytes: HumanReadableBytes = field(
        default=_HALF_MEBIBYTE, validator=[validators.ge(_SMALLEST_ZNODE), validators.lt(_TOO_LARGE_A_ZNODE)]
    )
    task_shutdown_link_timeout: Period = _MINUTE
    pending_tasks_runner_num_threads: int = field(default=1, validator=_at_least_one)
    max_retries_before_blacklist: int = field(default=5, validator=_at_least_one)
    worker_black_list_backoff_time: Period = _QUARTER
    worker_black_list_cleanup_period: Period = _FIVE_MINUTES
    max_percentage_blacklist_workers: int = field(default=20, validator=[validators.ge(0), validators.le(100)])


@frozen(kw_only=True)
class HttpRemoteTaskRunnerConfig:
    """``druid.indexer.runner.*`` of the type ``httpRemote`` alone."""

    worker_sync_num_threads: int = field(default=5, validator=_at_least_one)
    shutdown_request_max_retries: int = field(default=3, validator=_at_least_one)
    shutdown_request_http_timeout: Period = _MINUTE
    assign_request_max_retries: int = field(default=3, validator=_at_least_one)
    assign_request_http_timeout: Period = _MINUTE
    sync_request_timeout: Period = _THREE_MINUTES
    server_unstability_timeout: Period = _MINUTE
