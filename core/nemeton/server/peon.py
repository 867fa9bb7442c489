"""The parts of a peon put together; see ``nemeton.indexing.worker``."""

from __future__ import annotations

from collections.abc import Mapping

from nemeton.common.clock import SystemClock
from nemeton.config import JsonConfigurator, Properties
from nemeton.discovery.module import DiscoveryModule
from nemeton.emitter.module import EmitterModule
from nemeton.http.module import HttpModule
from nemeton.indexing.worker.module import PeonModule
from nemeton.ingest.module import IngestModule
from nemeton.inject import Injector, Module
from nemeton.json import Json
from nemeton.lifecycle import Lifecycle
from nemeton.plugins import Extensions, load_extensions
from nemeton.plugins.loader import LOAD_LIST
from nemeton.rpc.module import RpcModule
from nemeton.server.builtin import BUILTIN_EXTENSIONS
from nemeton.server.node import NodeModule
from nemeton.server.process import ProcessModule
from nemeton.storage.module import StorageModule

ROLE = "peon"
_preloaded: dict[str | None, Extensions] = {}


def preload(load_list: str | None) -> None:
    """Load extensions before the first peon is forked (in the template), for peons with this ``loadList``."""
    _extensions({} if load_list is None else {LOAD_LIST: load_list})


def _extensions(properties: Mapping[str, str]) -> Extensions:
    key = properties.get(LOAD_LIST)
    if key not in _preloaded:
        _preloaded[key] = load_extensions(properties, BUILTIN_EXTENSIONS)
    return _preloaded[key]


def peon_modules() -> list[Module]:
    """The modules of a peon, without those of extensions."""
    return [
        NodeModule("druid/peon", 8100),
        EmitterModule(),
        DiscoveryModule(),
        HttpModule(),
        RpcModule(),
        StorageModule(),
        IngestModule(),
        PeonModule(),
    ]


def make_injector(properties: Mapping[str, str]) -> Injector:
    """Build a peon's injector. Nothing is made until it is asked for; then it joins the lifecycle."""
    extensions = _extensions(properties)
    json = Json(extensions.registry)
    configurator = JsonConfigurator(Properties(dict(properties)), json)
    injector = Injector(
        [ProcessModule(extensions, json, SystemClock()), *peon_modules(), *extensions.modules(ROLE)],
        configurator=configurator,
        lifecycle=Lifecycle(ROLE),
        name=ROLE,
        eagerly=False,
    )
    json.injector = injector
    return injector


__all__ = ["make_injector", "peon_modules", "preload"]
