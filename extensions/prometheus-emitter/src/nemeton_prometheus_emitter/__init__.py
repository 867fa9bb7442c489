"""The extension ``prometheus-emitter``: the emitter ``prometheus``, for Prometheus to scrape or by its Pushgateway.

Loading it imports neither prometheus_client nor a server; that happens where ``druid.emitter`` is ``prometheus``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.spi import hookimpl, lazy

if TYPE_CHECKING:
    from nemeton.plugins import LazyType
    from nemeton.spi import Module

NEMETON_API = ">=1.0,<2"


@hookimpl
def emitters() -> list[type | LazyType]:
    """``druid.emitter=prometheus``."""
    return [lazy("prometheus", "nemeton_prometheus_emitter.emitter:PrometheusEmitter")]


@hookimpl
def druid_modules() -> list[type[Module]]:
    """``druid.emitter.prometheus.*``."""
    from nemeton_prometheus_emitter.module import PrometheusEmitterModule

    return [PrometheusEmitterModule]
