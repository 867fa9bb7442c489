"""Finding workers through discovery."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from nemeton.common.clock import Clock
from nemeton.model import DiscoveryDruidNode, Worker, WorkerNodeService
from nemeton.spi.discovery import DruidNodeDiscovery, DruidNodeDiscoveryProvider, NodeListener

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 30.0
_GIVE_UP_AFTER_S = 300.0


class WorkerDiscovery(NodeListener):
    """Tells of workers that come and go: nodes of any role that offer the worker service.

    One for each start of the runner: what it has heard of before tells nothing of what there is now.
    """

    def __init__(
        self,
        provider: DruidNodeDiscoveryProvider,
        on_added: Callable[[Worker], object],
        on_removed: Callable[[Worker], object],
    ) -> None:
        self._provider = provider
        self._on_added = on_added
        self._on_removed = on_removed
        self._discovery: DruidNodeDiscovery | None = None
        self._complete = threading.Event()

    def start(self, clock: Clock, given_up: threading.Event) -> None:
        """Begin to listen; return when all workers that are there have been told of.

        Raises RuntimeError after five minutes, or when ``given_up`` is set; it must be stopped then, too.
        """
        self._discovery = self._provider.get_for_service(WorkerNodeService.NAME)
        self._discovery.register_listener(self)
        deadline = clock.monotonic() + _GIVE_UP_AFTER_S
        while not clock.wait(self._complete, _LOOK_EVERY_S):
            if given_up.is_set() or clock.monotonic() >= deadline:
                raise RuntimeError("Couldn't discover workers.")
            log.info("Waiting for worker discovery...")

    def stop(self) -> None:
        """Listen no more."""
        self._complete.set()
        discovery, self._discovery = self._discovery, None
        if discovery is not None:
            discovery.remove_listener(self)

    def nodes_added(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        """See :class:`NodeListener`."""
        for node in nodes:
            self._on_added(_worker_of(node))

    def nodes_removed(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        """See :class:`NodeListener`."""
        for node in nodes:
            self._on_removed(_worker_of(node))

    def node_view_initialized(self) -> None:
        """See :class:`NodeListener`."""
        self._complete.set()

    def node_view_initialized_timed_out(self) -> None:
        """See :class:`NodeListener`: what is known has to do."""
        self._complete.set()


def _worker_of(node: DiscoveryDruidNode) -> Worker:
    service = node.services.get(WorkerNodeService.NAME)
    offered = service if isinstance(service, WorkerNodeService) else WorkerNodeService(capacity=0, version="")
    return Worker(
        scheme=node.druid_node.service_scheme,
        host=node.druid_node.host_and_port_to_use,
        ip=offered.ip,
        capacity=offered.capacity,
        version=offered.version,
        category=offered.category,
    )
