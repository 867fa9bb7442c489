"""Binds the extension's properties."""

from __future__ import annotations

from nemeton.spi import Binder, Module
from nemeton_prometheus_emitter.config import PREFIX, PrometheusEmitterConfig


class PrometheusEmitterModule(Module):
    """``druid.emitter.prometheus.*``, in all roles."""

    def configure(self, binder: Binder) -> None:
        """The settings; the emitter itself is chosen by ``druid.emitter``."""
        binder.bind_config(PREFIX, PrometheusEmitterConfig)
