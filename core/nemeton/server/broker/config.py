"""``druid.broker.*``."""

from __future__ import annotations

from attrs import frozen

from nemeton.time import Period

_READ_TIMEOUT = Period(minutes=15)


@frozen(kw_only=True)
class BrokerHttpConfig:
    """``druid.broker.http.*``: how the Broker talks to data servers."""

    num_connections: int = 20
    read_timeout: Period = _READ_TIMEOUT


@frozen(kw_only=True)
class BrokerRetryConfig:
    """``druid.broker.retryPolicy.*``: how often segments that a data server no longer has are asked for elsewhere."""

    num_tries: int = 1
    return_partial_results: bool = False


@frozen(kw_only=True)
class BrokerSegmentWatcherConfig:
    """``druid.broker.segment.*``: whether queries wait until the first view of the cluster is complete."""

    await_initialization_on_start: bool = True
