"""Services in the form of Curator's service discovery: ``/druid/discovery/druid:overlord/<uuid>``."""

from __future__ import annotations

import logging
import threading
import uuid

from nemeton.common.clock import Clock
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import CuratorDiscoveryConfig, make_path
from nemeton.json import Json
from nemeton.model import DruidNode
from nemeton.spi.discovery import ServiceAnnouncer

log = logging.getLogger(__name__)


class CuratorServiceAnnouncer(ServiceAnnouncer):
    """Announces services as Curator's ``ServiceInstance``; slashes in their names become colons.

    Older parts of Druid and tools beside it look here; Druid's own services find each other by their nodes.
    """

    def __init__(self, config: CuratorDiscoveryConfig, announcer: Announcer, json: Json, clock: Clock) -> None:
        self._config = config
        self._announcer = announcer
        self._json = json
        self._clock = clock
        self._lock = threading.Lock()
        self._paths: dict[str, str] = {}

    def announce(self, node: DruidNode) -> None:
        """Announce it; warned of and ignored when the service is announced already, by whatever node."""
        if self._config.path is None:
            return
        name = node.service_name.replace("/", ":")
        instance_id = str(uuid.uuid4())
        path = make_path(self._config.path, f"{name}/{instance_id}")
        with self._lock:
            if name in self._paths:
                log.warning("Service [%s] is announced already; ignored", node.service_name)
                return
            self._paths[name] = path
        try:
            self._announcer.announce(path, self._json.dumps(self._instance(node, name, instance_id)), container=True)
        except Exception:
            with self._lock:
                self._paths.pop(name, None)
            raise

    def unannounce(self, node: DruidNode) -> None:
        """Take the service back."""
        with self._lock:
            path = self._paths.pop(node.service_name.replace("/", ":"), None)
        if path is not None:
            self._announcer.unannounce(path)

    def _instance(self, node: DruidNode, name: str, instance_id: str) -> dict[str, object]:
        return {
            "name": name,
            "id": instance_id,
            "address": node.host,
            "port": node.plaintext_port,
            "sslPort": node.tls_port,
            "payload": None,
            "registrationTimeUTC": self._clock.now(),
            "serviceType": "DYNAMIC",
            "uriSpec": None,
        }
