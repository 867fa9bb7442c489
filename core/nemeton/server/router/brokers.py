"""Which Broker gets the next query."""

from __future__ import annotations

import itertools
import threading

from nemeton.model import NodeRole
from nemeton.spi.discovery import DruidNodeDiscoveryProvider


class BrokerSelector:
    """Gives the Brokers of the default service in turn; of all services, when that has none. Thread-safe."""

    def __init__(self, provider: DruidNodeDiscoveryProvider, default_service: str) -> None:
        self._discovery = provider.get_for_node_role(NodeRole.BROKER)
        self._default_service = default_service
        self._turn = itertools.count()
        self._lock = threading.Lock()

    def by_service(self) -> dict[str, list[str]]:
        """``host:port`` of all Brokers by service name."""
        found: dict[str, list[str]] = {}
        for node in self._discovery.all_nodes():
            found.setdefault(node.druid_node.service_name, []).append(node.druid_node.host_and_port_to_use)
        return {service: sorted(hosts) for service, hosts in sorted(found.items())}

    def in_turn(self) -> list[str]:
        """Base URLs of the Brokers, the next one first and the others as its substitutes; empty when there is none."""
        nodes = [node.druid_node for node in self._discovery.all_nodes()]
        preferred = [node for node in nodes if node.service_name == self._default_service] or nodes
        urls = sorted(node.service_url for node in preferred)
        if not urls:
            return []
        with self._lock:
            start = next(self._turn) % len(urls)
        return urls[start:] + urls[:start]
