"""Binds what watches over queries: scheduler, measurements, request log."""

from __future__ import annotations

from nemeton.dataserver.query_metrics import QueryMetrics
from nemeton.dataserver.request_log import RequestLog, RequestLoggingConfig
from nemeton.dataserver.scheduling.config import LaningConfig, PrioritizationConfig, QuerySchedulerConfig
from nemeton.dataserver.scheduling.scheduler import QueryScheduler
from nemeton.dataserver.scheduling.strategies import LANING, PRIORITIZATION
from nemeton.inject import Binder, Module
from nemeton.spi.request_log import RequestLogger
from nemeton.spi.scheduling import QueryLaningStrategy, QueryPrioritizationStrategy


class QuerySchedulerModule(Module):
    """For Brokers and data servers."""

    def configure(self, binder: Binder) -> None:
        """``druid.query.scheduler.*`` and ``druid.request.logging.*``."""
        binder.bind_config("druid.query.scheduler", QuerySchedulerConfig)
        binder.bind_config(LANING, LaningConfig)
        binder.bind_config(PRIORITIZATION, PrioritizationConfig)
        binder.bind_choice(QueryLaningStrategy, f"{LANING}.strategy", default="none")
        binder.bind_choice(QueryPrioritizationStrategy, f"{PRIORITIZATION}.strategy", default="manual")
        binder.bind_config("druid.request.logging", RequestLoggingConfig)
        binder.bind_choice(RequestLogger, "druid.request.logging.type", default="noop")
        binder.bind(RequestLog)
        binder.manage_lifecycle(RequestLog)
        binder.bind(QueryMetrics)
        binder.bind(QueryScheduler)
