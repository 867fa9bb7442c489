"""Bindings of a peon. Light: a peon needs neither the metadata store nor anything of the Overlord."""

from __future__ import annotations

from nemeton.config import Properties
from nemeton.indexing.worker.chat import ChatHandlerRegistry, ChatResource
from nemeton.indexing.worker.parent_discovery import ParentDiscoveryConfig
from nemeton.indexing.worker.shuffle.module import IntermediaryDataModule
from nemeton.inject import Binder, Module
from nemeton.lookups.module import LookupModule
from nemeton.model import NodeRole
from nemeton.spi.emitter import ExtraServiceDimensions
from nemeton.spi.http import Resource

_DIMENSION = "druid.metrics.emitter.dimension."


class PeonModule(Module):
    """What a peon has beside the modules of every role."""

    def configure(self, binder: Binder) -> None:
        """See :class:`Module`."""
        binder.bind_config("druid.discovery.parent", ParentDiscoveryConfig)
        binder.install(IntermediaryDataModule())
        binder.install(LookupModule(is_peon=True))
        binder.declare_property("druid.task.executor.*")
        binder.declare_property(f"{_DIMENSION}*")
        binder.bind_set(ExtraServiceDimensions).add(provider=_dimensions_of_task)
        binder.bind_set(NodeRole).add(instance=NodeRole.PEON)
        binder.bind(ChatHandlerRegistry)
        binder.bind_set(Resource).add(ChatResource)


def _dimensions_of_task(properties: Properties) -> ExtraServiceDimensions:
    """What the worker says of the task; Druid knows these properties of its peons too, and of no other role."""
    return ExtraServiceDimensions(
        {name.removeprefix(_DIMENSION): value for name, value in properties.items() if name.startswith(_DIMENSION)}
    )
