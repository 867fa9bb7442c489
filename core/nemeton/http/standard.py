"""What every role answers: its status, health, properties, and whether it is discovered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import psutil
from attrs import frozen

import nemeton
from nemeton.config import HIDDEN, Properties, is_secret
from nemeton.discovery.announcement import SelfAnnouncement
from nemeton.plugins import Extensions
from nemeton.spi.http import Request, Resource, Response, config_read, route, state_read, unsecured

DRUID_VERSION = "33.0.0"
"""The Druid that this build speaks like; clients compare versions with it."""


@frozen
class StatusResource(Resource):
    """``/status`` and what is below it (Druid's StatusResource and SelfDiscoveryResource)."""

    properties: Properties
    extensions: Extensions | None = None
    announcement: SelfAnnouncement | None = None

    @route("GET", "/status", access=state_read)
    def status(self, request: Request) -> dict[str, Any]:
        """The version, the extensions, and the memory of the process."""
        return {
            "version": DRUID_VERSION,
            "nemetonVersion": nemeton.__version__,
            "modules": list(_modules(self.extensions)),
            "memory": _memory(),
        }

    @route("GET", "/status/health", access=unsecured)
    async def health(self, request: Request) -> Response:
        """True, as soon as the server answers."""
        return Response(json=True)

    @route("GET", "/status/properties", access=config_read)
    def all_properties(self, request: Request) -> dict[str, str]:
        """All properties, without those that are secret or that ``druid.server.hiddenProperties`` names."""
        hidden = [name.lower() for name in _json_list(self.properties.get("druid.server.hiddenProperties"))]
        return {
            key: HIDDEN if is_secret(key) else value
            for key, value in sorted(self.properties.items())
            if not any(name in key.lower() for name in hidden)
        }

    @route("GET", "/status/selfDiscovered/status", access=state_read)
    def discovered_status(self, request: Request) -> dict[str, bool]:
        """Whether the cluster's discovery shows this node."""
        return {"selfDiscovered": self._discovered()}

    @route("GET", "/status/selfDiscovered", access=state_read)
    def discovered(self, request: Request) -> Response:
        """The same for load balancers: 200 or 503."""
        return Response(200 if self._discovered() else 503, media_type="application/json")

    def _discovered(self) -> bool:
        return self.announcement is not None and self.announcement.is_discovered()


def _modules(extensions: Extensions | None) -> Sequence[Mapping[str, Any]]:
    """Druid lists the modules of extensions; a failed extension is there too, with its error."""
    listed: list[Mapping[str, Any]] = []
    for status in extensions.statuses if extensions is not None else ():
        if status.is_core or status.state == "not loaded":
            continue
        entry = {"name": status.name, "artifact": status.distribution, "version": status.version}
        if status.error is not None:
            entry |= {"state": status.state, "error": str(status.error)}
        listed.append(entry)
    return listed


def _memory() -> dict[str, int]:
    """Druid's five numbers, as they best fit a process without a Java heap; bytes."""
    machine = psutil.virtual_memory()
    used = psutil.Process().memory_info().rss
    return {
        "maxMemory": machine.total,
        "totalMemory": machine.total,
        "freeMemory": machine.available,
        "usedMemory": used,
        "directMemory": 0,
    }


def _json_list(text: str | None) -> list[str]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [str(item) for item in found] if isinstance(found, list) else []
