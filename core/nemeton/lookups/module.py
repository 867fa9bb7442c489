"""Binds the lookups of a node."""

from __future__ import annotations

from nemeton.inject import Binder, Module
from nemeton.lookups.config import LookupConfig
from nemeton.lookups.manager import LookupReferencesManager
from nemeton.lookups.resources import LookupIntrospectionResource, LookupListeningResource
from nemeton.lookups.scope import LookupScope
from nemeton.lookups.task_lookups import LookupsWhenAsked
from nemeton.model import DruidService, LookupNodeService
from nemeton.spi.http import Resource
from nemeton.spi.lookups import LookupProvider


class LookupModule(Module):
    """For roles that apply lookups: Brokers, Historicals, Indexers and peons (Druid's LookupModule)."""

    def __init__(self, *, is_peon: bool = False) -> None:
        """A peon loads what its task says, and waits for it no earlier than a lookup is asked for."""
        self.is_peon = is_peon

    def configure(self, binder: Binder) -> None:
        """``druid.lookup.*``; ``lookupNodeService`` in the node's announcement, by which the Coordinator finds it."""
        binder.bind_config("druid.lookup", LookupConfig)
        binder.bind(LookupScope, instance=LookupScope(is_peon=self.is_peon))
        binder.bind(LookupReferencesManager)
        binder.manage_lifecycle(LookupReferencesManager)
        if self.is_peon:
            binder.bind(LookupProvider, to=LookupsWhenAsked)
        else:
            binder.bind(LookupProvider, provider=_provider)
        binder.bind_map(DruidService).add(LookupNodeService.NAME, provider=_node_service)
        binder.bind_set(Resource).add(LookupListeningResource).add(LookupIntrospectionResource)


def _provider(manager: LookupReferencesManager) -> LookupProvider:
    return manager


def _node_service(config: LookupConfig, scope: LookupScope) -> DruidService:
    return LookupNodeService(config.tier(scope.data_source))
