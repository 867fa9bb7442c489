"""``druid.indexer.autoscale.*``."""

from __future__ import annotations

from typing import Any

from attrs import Attribute, field, frozen, validators

from nemeton.common.errors import DruidException
from nemeton.time import Period, parse_datetime

_HALF_MINUTE = Period(seconds=30)
_MINUTE = Period(minutes=1)
_FIVE_MINUTES = Period(minutes=5)
_QUARTER = Period(minutes=15)
_NINETY_MINUTES = Period(minutes=90)


def _is_instant(_: Any, __: Attribute[Any], value: str) -> None:
    try:
        parse_datetime(value)
    except DruidException as failure:
        raise ValueError(f"originTime: {failure.message}") from None


@frozen(kw_only=True)
class ProvisioningSchedulerConfig:
    """``druid.indexer.autoscale.*``: whether workers are provisioned at all, and when it is looked at.

    Terminations happen at ``originTime`` plus whole ``terminatePeriod``s: machines that are paid by the hour are best
    ended shortly before an hour is full.
    """

    do_autoscale: bool = False
    provision_period: Period = _MINUTE
    terminate_period: Period = _FIVE_MINUTES
    origin_time: str = field(default="2012-01-01T00:55:00.000Z", validator=_is_instant)


@frozen(kw_only=True)
class SimpleWorkerProvisioningConfig:
    """``druid.indexer.autoscale.*``: what both strategies go by.

    Workers of a version below ``worker_version`` do not count, and are terminated first. Where it is not set,
    ``druid.indexer.runner.minWorkerVersion`` stands in (in Druid, provisioning then fails). ``worker_port`` is read and
    means nothing, as in Druid.
    """

    worker_idle_timeout: Period = _NINETY_MINUTES
    max_scaling_duration: Period = _QUARTER
    num_events_to_track: int = field(default=50, validator=validators.ge(0))
    pending_task_timeout: Period = _HALF_MINUTE
    worker_version: str | None = None
    worker_port: int = 8080


@frozen(kw_only=True)
class PendingTaskBasedWorkerProvisioningConfig(SimpleWorkerProvisioningConfig):
    """``druid.indexer.autoscale.*`` of the strategy ``pendingTaskBased``.

    ``worker_capacity_hint``: the slots of a worker while there is none to look at; needed where ``minNumWorkers`` is 0.
    """

    max_scaling_step: int = field(default=10, validator=validators.ge(1))
    worker_capacity_hint: int = -1
