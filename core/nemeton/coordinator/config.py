"""``druid.coordinator.*`` and the configuration that changes at run time."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen, validators

from nemeton.common.errors import invalid_input
from nemeton.time import Period

_NO_DELAY = Period()
_FIVE_SECONDS = Period(seconds=5)
_HALF_HOUR = Period(minutes=30)
_ONE_HOUR = Period(hours=1)
_LOAD_TIMEOUT = Period(minutes=15)


@frozen(kw_only=True)
class DruidCoordinatorConfig:
    """``druid.coordinator.*``.

    Druid waits five minutes (``startDelay``) before the first run, so that all data servers have come; here a run waits
    for the first view of the cluster instead, and the delay is none. Druid's period is a minute.
    """

    start_delay: Period = _NO_DELAY
    period: Period = _FIVE_SECONDS


@frozen(kw_only=True)
class CoordinatorPeriodConfig:
    """``druid.coordinator.period.*``: how often the groups of duties beside the loading of segments run."""

    indexing_period: Period = _HALF_HOUR
    metadata_store_management_period: Period = _ONE_HOUR


@frozen(kw_only=True)
class HttpLoadQueuePeonConfig:
    """``druid.coordinator.loadqueuepeon.http.*``; ``batch_size`` None: as many as the data server loads at a time."""

    host_timeout: Period = field(default=_LOAD_TIMEOUT)
    batch_size: int | None = None


def _ratio(instance: Any, attribute: Any, value: float) -> None:
    if not 0 <= value <= 1:
        raise invalid_input(f"killTaskSlotRatio [{value:.2f}] is invalid. It must be >= 0 and <= 1.")


DYNAMIC_CONFIG_KEY = "coordinator.config"


@frozen(kw_only=True)
class CoordinatorDynamicConfig:
    """The settings of ``/druid/coordinator/v1/config``, with Druid's defaults."""

    millis_to_wait_before_deleting: int = 900_000
    max_segments_to_move: int = 100
    replicant_lifetime: int = 15
    replication_throttle_limit: int = 500
    balancer_compute_threads: int = 1
    kill_data_source_whitelist: list[str] = field(factory=list)
    kill_task_slot_ratio: float = field(default=0.1, validator=_ratio)
    max_kill_task_slots: int = 2**31 - 1
    kill_pending_segments_skip_list: list[str] = field(factory=list)
    max_segments_in_node_loading_queue: int = 500
    decommissioning_nodes: list[str] = field(factory=list)
    pause_coordination: bool = False
    replicate_after_load_timeout: bool = False
    use_round_robin_segment_assignment: bool = True
    smart_segment_loading: bool = True
    debug_dimensions: dict[str, str] | None = None
    turbo_loading_nodes: list[str] = field(factory=list)


_HOST_TIMEOUT = Period(seconds=2)
_ALL_HOST_TIMEOUT = Period(minutes=15)


@frozen(kw_only=True)
class LookupCoordinatorManagerConfig:
    """``druid.manager.lookups.*``: how nodes are told of lookups. ``period`` and ``initial_delay`` in milliseconds."""

    host_timeout: Period = _HOST_TIMEOUT
    all_host_timeout: Period = _ALL_HOST_TIMEOUT
    thread_pool_size: int = field(default=10, validator=validators.ge(2))
    period: int = field(default=120_000, validator=validators.ge(1))
    initial_delay: int = field(default=2_000, validator=validators.ge(1))
