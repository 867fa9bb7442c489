"""How a peon finds the masters: it asks the worker that started it, whatever kind of discovery that one has.

A task may outlive the Overlord that it was started for. Its worker watches the cluster anyway, so that a peon needs
neither a ZooKeeper session nor a connection to the metadata store of its own; and without its worker it ends.
"""

from __future__ import annotations

import json as plain_json
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.services import BaseNodeDiscoveryProvider
from nemeton.discovery.static import node_of_url
from nemeton.discovery.watcher import BaseNodeRoleWatcher, NodeView
from nemeton.http.client import EscalatedHttpClient, HttpClientError
from nemeton.inject import Binder, Module
from nemeton.model import DiscoveryDruidNode, NodeRole
from nemeton.plugins import json_type
from nemeton.spi.discovery import DiscoveryKind, DruidNodeAnnouncer, DruidNodeDiscoveryProvider
from nemeton.spi.http import Request, Resource, route, state_read

log = logging.getLogger(__name__)

_MASTERS = (NodeRole.OVERLORD, NodeRole.COORDINATOR)
_PATH = "/druid-internal/v1/masters"
#: How old what the worker said may be when somebody asks.
_FRESH_S = 2.0
_TIMEOUT_S = 2.0


def _masters(provider: DruidNodeDiscoveryProvider) -> dict[str, list[str]]:
    """The URLs of the masters that a process knows now, by role."""
    return {
        role.json_name: [node.druid_node.service_url for node in provider.get_for_node_role(role).all_nodes()]
        for role in _MASTERS
    }


def properties_for_child(url: str, provider: DruidNodeDiscoveryProvider) -> dict[str, str]:
    """The properties that let a child of this process, which listens at ``url``, find the masters that it finds."""
    return {
        "druid.discovery.type": "parent",
        "druid.discovery.parent.url": url,
        "druid.discovery.parent.nodes": plain_json.dumps(_masters(provider)),
    }


class MastersResource(Resource):
    """What a peon asks its worker."""

    def __init__(self, provider: DruidNodeDiscoveryProvider) -> None:
        self._provider = provider

    @route("GET", _PATH, access=state_read)
    def masters(self, request: Request) -> Any:
        """The URLs of Overlords and Coordinators, by role."""
        return _masters(self._provider)


class PeonParentModule(Module):
    """What a role has whose runner starts peons."""

    def configure(self, binder: Binder) -> None:
        """See :class:`Module`."""
        binder.bind_set(Resource).add(MastersResource)


@frozen
class ParentDiscoveryConfig:
    """``druid.discovery.parent.*``: the worker's URL, and what it knew when it started this process."""

    url: str = ""
    nodes: dict[str, list[str]] = field(factory=dict)


class _Watcher(BaseNodeRoleWatcher):
    """The watch over one role, brought up to date when somebody looks."""

    def __init__(self, role: NodeRole, provider: ParentNodeDiscoveryProvider) -> None:
        super().__init__(role, provider.executor, provider.clock)
        self._provider = provider

    def all_nodes(self) -> NodeView:
        self._provider.refresh()
        return super().all_nodes()

    def become(self, urls: Sequence[str]) -> None:
        """Have exactly these nodes."""
        known = {node.druid_node.service_url: node for node in super().all_nodes()}
        for url in known.keys() - set(urls):
            self.node_removed(known[url])
        for url in urls:
            if url not in known:
                self.node_added(DiscoveryDruidNode(node_of_url(url, f"druid/{self.role}"), self.role))


class ParentNodeDiscoveryProvider(BaseNodeDiscoveryProvider, DruidNodeAnnouncer):
    """Discovers the masters that the worker knows, and the process's own announcements; always initialised.

    The worker is asked when somebody looks and what it said is older than two seconds; while it does not answer, what
    it said last holds.
    """

    def __init__(
        self, config: ParentDiscoveryConfig, http: EscalatedHttpClient, executor: ScheduledExecutor, clock: Clock
    ) -> None:
        super().__init__()
        self.executor = executor
        self.clock = clock
        self._url = config.url
        self._http = http
        self._masters: Mapping[str, list[str]] = config.nodes
        self._asked_at = clock.monotonic()
        self._asking = threading.Lock()

    def watch(self, role: NodeRole) -> BaseNodeRoleWatcher:
        """See `BaseNodeDiscoveryProvider`."""
        watcher = _Watcher(role, self)
        watcher.initialized()
        watcher.become(self._masters.get(role.json_name, ()))
        return watcher

    def refresh(self) -> None:
        """Ask the worker, unless it was asked a moment ago or another thread asks just now."""
        if self.clock.monotonic() - self._asked_at < _FRESH_S or not self._asking.acquire(blocking=False):
            return
        try:
            answer = self._http.request("GET", self._url + _PATH, timeout_s=_TIMEOUT_S)
            if not answer.ok:
                raise HttpClientError(f"status {answer.status}")
            self._masters = {role: list(urls) for role, urls in answer.json().items()}
            for role in _MASTERS:
                self._watcher(role).become(self._masters.get(role.json_name, ()))
        except (HttpClientError, AttributeError, TypeError, ValueError) as failure:
            log.info("The worker at [%s] does not say who the masters are: %s", self._url, failure)
        finally:
            self._asked_at = self.clock.monotonic()
            self._asking.release()

    def _watcher(self, role: NodeRole) -> _Watcher:
        discovery = self.get_for_node_role(role)
        assert isinstance(discovery, _Watcher)
        return discovery

    def announce(self, node: DiscoveryDruidNode) -> None:
        """Nobody watches a peon but itself."""
        self._watcher(node.node_role).node_added(node)

    def unannounce(self, node: DiscoveryDruidNode) -> None:
        """See `announce`."""
        self._watcher(node.node_role).node_removed(node)


@json_type("parent")
class ParentDiscovery(DiscoveryKind):
    """Nodes are the masters that the worker knows which started this process."""

    def __init__(self, config: ParentDiscoveryConfig, http: EscalatedHttpClient, clock: Clock) -> None:
        self._executor = ScheduledExecutor("node-discovery-listener", clock)
        self._provider = ParentNodeDiscoveryProvider(config, http, self._executor, clock)

    def announcer(self) -> DruidNodeAnnouncer:
        """The announcer."""
        return self._provider

    def provider(self) -> DruidNodeDiscoveryProvider:
        """The provider."""
        return self._provider

    def close(self) -> None:
        """Stop the listeners' thread."""
        self._executor.shutdown()
