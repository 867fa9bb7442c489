"""The properties of the extension."""

from __future__ import annotations

import enum
import re
from typing import Any

from attrs import field, frozen, validators

PREFIX = "druid.emitter.prometheus"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Strategy(enum.Enum):
    """How the metrics get to Prometheus: it scrapes them, or they are pushed to a Pushgateway that it scrapes."""

    EXPORTER = "exporter"
    PUSHGATEWAY = "pushgateway"


def is_label(name: str) -> bool:
    """Whether Prometheus takes a label of that name (those with two underscores in front are its own)."""
    return _LABEL.fullmatch(name) is not None and not name.startswith("__")


def _check_namespace(_config: Any, _field: Any, value: str) -> None:
    if not _NAME.fullmatch(value):
        raise ValueError(f"namespace [{value}] must match {_NAME.pattern}")


def _check_labels(_config: Any, _field: Any, value: dict[str, str]) -> None:
    for name in value:
        if not is_label(name):
            raise ValueError(f"extraLabels: [{name}] cannot be a label; it must match {_LABEL.pattern}")


def _positive(_config: Any, attribute: Any, value: int) -> None:
    if value <= 0:
        raise ValueError(f"flushPeriod [{value}] must be a number of seconds above 0")


@frozen
class PrometheusEmitterConfig:
    """``druid.emitter.prometheus.*``, with Druid's names and defaults.

    ``port`` and ``push_gateway_address`` are needed by one strategy each, which the emitter checks when it is made: the
    properties may stand in a file that roles with other emitters read too. ``flush_period`` counts seconds,
    ``wait_for_shutdown_delay`` milliseconds.
    """

    strategy: Strategy = Strategy.EXPORTER
    namespace: str = field(default="druid", validator=_check_namespace)
    dimension_map_path: str | None = None
    port: int | None = field(default=None, validator=validators.optional(validators.in_(range(65536))))
    push_gateway_address: str | None = None
    add_host_as_label: bool = False
    add_service_as_label: bool = False
    flush_period: int | None = field(default=None, validator=validators.optional(_positive))
    extra_labels: dict[str, str] = field(factory=dict, validator=_check_labels)
    delete_push_gateway_metrics_on_shutdown: bool = False
    wait_for_shutdown_delay: int = field(default=0, validator=validators.ge(0))
