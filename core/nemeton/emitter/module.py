"""Binds the service's emitter."""

from __future__ import annotations

from attrs import frozen

import nemeton
from nemeton.common.clock import Clock
from nemeton.emitter.groups import ComposingEmitterConfig, SwitchingEmitterConfig
from nemeton.emitter.http_config import HttpEmitterConfig, ParametrizedUriEmitterConfig
from nemeton.emitter.logging_emitter import LoggingEmitterConfig
from nemeton.emitter.service import ServiceEmitter
from nemeton.inject import Binder, Module
from nemeton.lifecycle import Stage
from nemeton.model import DruidNode
from nemeton.spi.emitter import Emitter


@frozen
class EmitterConfig:
    """``druid.emitter.bufferSize``: how many events may wait before more are dropped."""

    buffer_size: int = 10_000


class EmitterModule(Module):
    """`ServiceEmitter` over the kind that ``druid.emitter`` names."""

    def configure(self, binder: Binder) -> None:
        """``druid.emitter.*``; the emitter starts first of all, so that everything later can report."""
        binder.bind_config("druid.emitter", EmitterConfig)
        binder.bind_config("druid.emitter.logging", LoggingEmitterConfig)
        binder.bind_config("druid.emitter.http", HttpEmitterConfig)
        binder.bind_config("druid.emitter.parametrized", ParametrizedUriEmitterConfig)
        binder.bind_config("druid.emitter.composing", ComposingEmitterConfig)
        binder.bind_config("druid.emitter.switching", SwitchingEmitterConfig)
        binder.bind_choice(Emitter, "druid.emitter", default="noop")
        binder.bind(ServiceEmitter, provider=_make_service_emitter)
        binder.manage_lifecycle(ServiceEmitter, stage=Stage.INIT)


def _make_service_emitter(emitter: Emitter, node: DruidNode, config: EmitterConfig, clock: Clock) -> ServiceEmitter:
    return ServiceEmitter(
        emitter,
        service=node.service_name,
        host=node.host_and_port_to_use,
        version=nemeton.__version__,
        buffer_size=config.buffer_size,
        clock=clock,
    )
