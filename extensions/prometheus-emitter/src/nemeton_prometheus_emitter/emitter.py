"""The emitter ``prometheus``."""

from __future__ import annotations

import logging

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException, invalid_input
from nemeton.spi import Emitter, Event, Json, MetricEvent, json_type
from nemeton_prometheus_emitter.config import PREFIX, PrometheusEmitterConfig, Strategy
from nemeton_prometheus_emitter.exporter import Exporter
from nemeton_prometheus_emitter.metric_map import read_metric_map
from nemeton_prometheus_emitter.metrics import Metrics
from nemeton_prometheus_emitter.pushgateway import DEFAULT_PERIOD_S, Pushing

log = logging.getLogger(__name__)


@json_type("prometheus")
class PrometheusEmitter(Emitter):
    """Turns metric events into Prometheus metrics; alerts are left to the log. Druid's PrometheusEmitter.

    With the strategy ``exporter`` a port that is in use is logged as an error and the process goes on without metrics:
    peons inherit the property and must not fail of it.
    """

    def __init__(self, config: PrometheusEmitterConfig, json: Json, clock: Clock) -> None:
        """Check what the strategy needs and read the map. Raises `DruidException` naming the property."""
        exports = config.strategy is Strategy.EXPORTER
        if exports and config.port is None:
            raise _missing("port", config.strategy)
        if not exports and not config.push_gateway_address:
            raise _missing("pushGatewayAddress", config.strategy)
        self._config = config
        self._clock = clock
        ttl_s = config.flush_period if exports else None
        self._metrics = Metrics(config, read_metric_map(config.dimension_map_path, json), clock, ttl_s)
        self._exporter: Exporter | None = None
        self._pushing: Pushing | None = None

    @property
    def port(self) -> int | None:
        """Where the metrics are served; None when they are not."""
        return self._exporter.port if self._exporter is not None else None

    def start(self) -> None:
        """Serve, or begin to push."""
        config = self._config
        if config.strategy is Strategy.EXPORTER:
            self._serve(config.port or 0)
        else:
            period_s = config.flush_period or DEFAULT_PERIOD_S
            address = config.push_gateway_address or ""
            self._pushing = Pushing(address, config.namespace, self._metrics, period_s, self._clock)

    def _serve(self, port: int) -> None:
        try:
            self._exporter = Exporter(port, self._metrics)
        except OSError as e:
            log.error("%s.port [%d] cannot be served, there will be no metrics: %s", PREFIX, port, e)
            return
        self._metrics = self._exporter.metrics

    def emit(self, event: Event) -> None:
        """Take a metric in."""
        if not isinstance(event, MetricEvent):
            return
        if self._pushing is not None:
            self._pushing.identify(str(event.dimensions.get("task") or event.host))
        self._metrics.record(event)

    def close(self) -> None:
        """Stop serving; or push what there is and, where the properties say so, delete it after a while."""
        if self._exporter is not None:
            self._exporter.close()
            self._exporter = None
        pushing, self._pushing = self._pushing, None
        if pushing is None:
            return
        pushing.close()
        if self._config.delete_push_gateway_metrics_on_shutdown:
            self._clock.sleep(self._config.wait_for_shutdown_delay / 1000)
            pushing.delete()


def _missing(name: str, strategy: Strategy) -> DruidException:
    return invalid_input(f"{PREFIX}.{name} must be set: druid.emitter is prometheus and its strategy {strategy.value}")
