"""Binds the service's emitter."""

from __future__ import annotations

from attrs import frozen

import nemeton
from nemeton.common.clock import Clock
from nemeton.emitter.groups import ComposingEmitterConfig, SwitchingEmitterConfig
from nemeton.emitter.http_config import HttpEmitterConfig, ParametrizedUriEmitterConfig
from nemeton.emitter.logging_emitter import LoggingEmitterConfig
from nemeton.emitter.monitors.heartbeat import HeartbeatTags
from nemeton.emitter.monitors.scheduler import MonitoringConfig, MonitorScheduler
from nemeton.emitter.monitors.system import SystemMonitorConfig
from nemeton.emitter.service import ServiceEmitter
from nemeton.inject import Binder, Module
from nemeton.lifecycle import Stage
from nemeton.model import DruidNode, NodeRole
from nemeton.spi.emitter import Emitter, ExtraServiceDimensions
from nemeton.spi.monitors import Monitor


@frozen
class EmitterConfig:
    """``druid.emitter.bufferSize``: how many events may wait before more are dropped."""

    buffer_size: int = 10_000


class EmitterModule(Module):
    """`ServiceEmitter` over the kind that ``druid.emitter`` names, and the monitors that measure for it."""

    def configure(self, binder: Binder) -> None:
        """``druid.emitter.*`` and ``druid.monitoring.*``; the emitter starts first, so that all later can report."""
        binder.bind_config("druid.emitter", EmitterConfig)
        binder.bind_config("druid.emitter.logging", LoggingEmitterConfig)
        binder.bind_config("druid.emitter.http", HttpEmitterConfig)
        binder.bind_config("druid.emitter.parametrized", ParametrizedUriEmitterConfig)
        binder.bind_config("druid.emitter.composing", ComposingEmitterConfig)
        binder.bind_config("druid.emitter.switching", SwitchingEmitterConfig)
        binder.bind_choice(Emitter, "druid.emitter", default="noop")
        binder.bind_set(ExtraServiceDimensions)
        binder.bind(ServiceEmitter, provider=_make_service_emitter)
        binder.manage_lifecycle(ServiceEmitter, stage=Stage.INIT)
        binder.bind_config("druid.monitoring", MonitoringConfig)
        binder.bind_config("druid.monitoring.sys", SystemMonitorConfig)
        binder.bind_set(Monitor)
        binder.bind_set(HeartbeatTags)
        binder.bind_set(NodeRole)
        binder.bind(MonitorScheduler)
        binder.manage_lifecycle(MonitorScheduler, stage=Stage.SERVER)


def _make_service_emitter(
    emitter: Emitter, node: DruidNode, config: EmitterConfig, extra: list[ExtraServiceDimensions], clock: Clock
) -> ServiceEmitter:
    return ServiceEmitter(
        emitter,
        service=node.service_name,
        host=node.host_and_port_to_use,
        version=nemeton.__version__,
        dimensions={name: value for each in extra for name, value in each.dimensions.items()},
        buffer_size=config.buffer_size,
        clock=clock,
    )
