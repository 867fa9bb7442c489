"""The nodes that load lookups, as the Coordinator sees them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

from nemeton.coordinator.config import LookupCoordinatorManagerConfig
from nemeton.http.client import EscalatedHttpClient
from nemeton.lifecycle import lifecycle_stop
from nemeton.lookups.resources import LISTEN
from nemeton.lookups.state import LookupExtractorFactoryMapContainer, LookupsState
from nemeton.model import DiscoveryDruidNode, DruidNode, LookupNodeService
from nemeton.rpc.errors import HttpResponseError
from nemeton.spi.discovery import DruidNodeDiscovery, DruidNodeDiscoveryProvider, NodeListener

log = logging.getLogger(__name__)

Specifications = Mapping[str, LookupExtractorFactoryMapContainer]

_SERVICE = "lookups"


class LookupNodes:
    """Asks nodes which lookups they have, and tells them which to load and to drop. Thread-safe.

    All nodes are talked to at once, up to ``threadPoolSize``; one that does not answer keeps no other waiting.
    """

    def __init__(
        self,
        config: LookupCoordinatorManagerConfig,
        discovery: DruidNodeDiscoveryProvider,
        client: EscalatedHttpClient,
    ) -> None:
        """All are the role's."""
        self._config = config
        self._provider = discovery
        self._client = client
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self.last_known: Mapping[str, LookupsState] = {}
        """What the nodes had last, by ``host:port``."""

    @lifecycle_stop
    def stop(self) -> None:
        """Talk to no node any more."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)

    # ---- who is there

    @property
    def _discovery(self) -> DruidNodeDiscovery:
        return self._provider.get_for_service(LookupNodeService.NAME)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call the listener whenever nodes have come."""
        self._discovery.register_listener(_Arrivals(listener))

    def tiers(self) -> list[str]:
        """The tiers of all nodes, in order."""
        return sorted({_tier(node) for node in self._discovery.all_nodes()} - {""})

    def in_tier(self, tier: str) -> list[DruidNode]:
        """The nodes of a tier, in the order of their names."""
        found = [node.druid_node for node in self._discovery.all_nodes() if _tier(node) == tier]
        return sorted(found, key=lambda node: node.host_and_port_to_use)

    # ---- talking to them

    def manage(self, tiers: Mapping[str, Specifications]) -> bool:
        """Bring all nodes nearer to what their tiers should have; whether all of them have it."""
        present = self.tiers()
        for tier in tiers.keys() - set(present):
            if tiers[tier]:
                log.info("There are lookups for tier [%s], and no nodes", tier)
        futures = {
            node.host_and_port_to_use: self._executor().submit(partial(self._manage_node, node, tiers.get(tier, {})))
            for tier in present
            for node in self.in_tier(tier)
        }
        wait(futures.values(), self._config.all_host_timeout.to_seconds())
        states: dict[str, LookupsState] = {}
        settled = True
        for name, future in futures.items():
            state = _state_of(name, future)
            settled = settled and state is not None and not state.to_load and not state.to_drop
            if state is not None:
                states[name] = state
        self.last_known = states
        return settled

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._config.thread_pool_size, "lookup-nodes")
            return self._pool

    def _manage_node(self, node: DruidNode, wanted: Specifications) -> LookupsState:
        state = self._ask(node, "GET", LISTEN, None)
        to_load, to_drop = to_be_loaded(state, wanted), to_be_dropped(state, wanted)
        if to_load or to_drop:
            log.info("[%s] is to load lookups %s and to drop %s", node.service_url, sorted(to_load), sorted(to_drop))
            update: LookupsState = LookupsState(to_load=to_load, to_drop=to_drop)
            state = self._ask(node, "POST", f"{LISTEN}/updates", update)
        return state

    def _ask(self, node: DruidNode, method: str, path: str, update: LookupsState | None) -> LookupsState:
        seconds = self._config.host_timeout.to_seconds()
        answer = self._client.request(method, f"{node.service_url}{path}", json=update, timeout_s=seconds, smile=True)
        if not answer.ok:
            raise HttpResponseError(_SERVICE, f"{method} {path}", answer)
        state: LookupsState = answer.json(LookupsState)
        return state


def to_be_loaded(state: LookupsState, wanted: Specifications) -> dict[str, LookupExtractorFactoryMapContainer]:
    """What a node should have and neither has nor loads, in this version or a newer one; what it drops, too."""

    def is_missing(name: str, lookup: LookupExtractorFactoryMapContainer) -> bool:
        there = state.to_load.get(name) or state.current.get(name)
        return there is None or name in state.to_drop or lookup.replaces(there)

    return {name: lookup for name, lookup in wanted.items() if is_missing(name, lookup)}


def to_be_dropped(state: LookupsState, wanted: Specifications) -> frozenset[str]:
    """What a node has or loads, should not have, and does not drop yet."""
    return frozenset((state.current.keys() | state.to_load.keys()) - state.to_drop - wanted.keys())


def _state_of(name: str, future: Future[LookupsState]) -> LookupsState | None:
    if not future.done():
        future.cancel()
        log.warning("[%s] was not looked after in time", name)
        return None
    try:
        return future.result()
    except Exception as failure:  # noqa: BLE001 - the next round tries again
        log.warning("Looking after the lookups of [%s] failed: %s", name, failure)
        return None


def _tier(node: DiscoveryDruidNode) -> str:
    service = node.services.get(LookupNodeService.NAME)
    return service.lookup_tier if isinstance(service, LookupNodeService) else ""


class _Arrivals(NodeListener):
    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def nodes_added(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        self._tell()
