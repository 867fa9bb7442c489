"""Nodes of the cluster: who they are, what they serve, in which roles."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.json import json_options, wire
from nemeton.plugins import extension_point, json_type
from nemeton.time import format_datetime, parse_datetime


@frozen(repr=False)
class NodeRole:
    """A role that a process plays. Open: extensions may make their own.

    ``json_name`` is the spelling in JSON ("middleManager"), ``name`` the one in system tables and ZooKeeper paths
    ("MIDDLE_MANAGER"; for roles that are not Druid's own the same as ``json_name``).
    """

    COORDINATOR: ClassVar[NodeRole]
    HISTORICAL: ClassVar[NodeRole]
    BROKER: ClassVar[NodeRole]
    OVERLORD: ClassVar[NodeRole]
    PEON: ClassVar[NodeRole]
    ROUTER: ClassVar[NodeRole]
    MIDDLE_MANAGER: ClassVar[NodeRole]
    INDEXER: ClassVar[NodeRole]

    json_name: str

    @property
    def name(self) -> str:
        """The upper-case name of Druid's own roles."""
        return _BUILT_IN_NAMES.get(self.json_name, self.json_name)

    @classmethod
    def parse(cls, text: str) -> NodeRole:
        """From either spelling."""
        return cls(_JSON_NAMES.get(text, text))

    @classmethod
    def built_in(cls) -> list[NodeRole]:
        """Druid's own roles."""
        return [cls(name) for name in _BUILT_IN_NAMES]

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> NodeRole:
        """From its JSON name."""
        return value if isinstance(value, NodeRole) else cls.parse(str(value))

    def to_json(self, json: Any = None) -> str:
        """Its JSON name."""
        return self.json_name

    def __str__(self) -> str:
        return self.json_name

    __repr__ = __str__


_BUILT_IN_NAMES = {
    "coordinator": "COORDINATOR",
    "historical": "HISTORICAL",
    "broker": "BROKER",
    "overlord": "OVERLORD",
    "peon": "PEON",
    "router": "ROUTER",
    "middleManager": "MIDDLE_MANAGER",
    "indexer": "INDEXER",
}
_JSON_NAMES = {name: json_name for json_name, name in _BUILT_IN_NAMES.items()}
for _json_name, _name in _BUILT_IN_NAMES.items():
    setattr(NodeRole, _name, NodeRole(_json_name))


@json_options(omit_none=True)
@frozen
class DruidNode:
    """Where a process listens. Ports are -1 where there is none; ``service_name`` is ``druid.service``."""

    service_name: str = field(metadata=wire("service"))
    host: str = "localhost"
    bind_on_host: bool = False
    plaintext_port: int = -1
    port: int = -1
    tls_port: int = -1
    enable_plaintext_port: bool = True
    enable_tls_port: bool = False
    labels: dict[str, str] | None = None

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host

    @property
    def port_to_use(self) -> int:
        """The TLS port where it is enabled, otherwise the plain one."""
        return self.tls_port if self.enable_tls_port else self.plaintext_port

    @property
    def host_and_port(self) -> str:
        """``host:plaintextPort``, or with the TLS port when the plain one is off: the node's name in the cluster."""
        return f"{self._bracketed}:{self.plaintext_port if self.enable_plaintext_port else self.tls_port}"

    @property
    def host_and_port_to_use(self) -> str:
        """``host:port`` of the port that callers should take."""
        return f"{self._bracketed}:{self.port_to_use}"

    @property
    def service_scheme(self) -> str:
        """http or https."""
        return "https" if self.enable_tls_port else "http"

    @property
    def service_url(self) -> str:
        """``http://host:port``, without a slash at the end."""
        return f"{self.service_scheme}://{self.host_and_port_to_use}"


@extension_point(hook="druid_services", name="druid service")
class DruidService:
    """Something that a node says about itself when it announces; by name in `DiscoveryDruidNode.services`."""

    NAME: ClassVar[str] = ""


@json_type("dataNodeService")
@frozen
class DataNodeService(DruidService):
    """The node serves segments. Sizes in bytes; a higher priority is asked first.

    On the wire ``type`` holds the server type itself ("historical"), as Druid writes it.
    """

    NAME: ClassVar[str] = "dataNodeService"

    tier: str = "_default_tier"
    max_size: int = 0
    server_type: str = "historical"
    priority: int = 0

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> DataNodeService:
        """From Druid's form, where ``serverType`` may be missing and ``type`` then says it."""
        server_type = value.get("serverType") or value.get("type") or "historical"
        return cls(
            value.get("tier", "_default_tier"), int(value.get("maxSize", 0)), server_type, int(value.get("priority", 0))
        )

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """Druid's form."""
        return {
            "type": self.server_type,
            "tier": self.tier,
            "maxSize": self.max_size,
            "serverType": self.server_type,
            "priority": self.priority,
        }


@json_type("workerNodeService")
@frozen
class WorkerNodeService(DruidService):
    """The node runs tasks: at most ``capacity`` at a time."""

    NAME: ClassVar[str] = "workerNodeService"

    ip: str = "localhost"
    capacity: int = 1
    version: str = "0"
    category: str = "_default_worker_category"


@json_type("lookupNodeService")
@frozen
class LookupNodeService(DruidService):
    """The node loads the lookups of a tier."""

    NAME: ClassVar[str] = "lookupNodeService"

    lookup_tier: str = "__default"


_SERVICES: dict[str, type[DruidService]] = {
    cls.NAME: cls for cls in (DataNodeService, WorkerNodeService, LookupNodeService)
}


@frozen
class DiscoveryDruidNode:
    """A node's announcement: who it is, in one role, with what services, since when (milliseconds)."""

    druid_node: DruidNode
    node_role: NodeRole
    services: dict[str, DruidService] = field(factory=dict, hash=False)
    start_time: int = field(default=0, eq=False)

    @classmethod
    def from_json(cls, value: Any, json: Any) -> DiscoveryDruidNode:
        """From Druid's form (``nodeType`` is the role's old name; services of unknown kinds are left out)."""
        services: dict[str, DruidService] = {}
        for name, service in (value.get("services") or {}).items():
            known = _SERVICES.get(name)
            if known is not None:
                services[name] = json.structure(service, known)
        return cls(
            json.structure(value["druidNode"], DruidNode),
            NodeRole.from_json(value.get("nodeType") or value.get("nodeRole")),
            services,
            parse_datetime(value["startTime"]) if value.get("startTime") else 0,
        )

    def to_json(self, json: Any) -> dict[str, Any]:
        """Druid's form."""
        services = {name: json.unstructure(service) for name, service in self.services.items()}
        for name, service in services.items():
            service.setdefault("type", name)
        return {
            "druidNode": json.unstructure(self.druid_node),
            "nodeType": self.node_role.json_name,
            "services": services,
            "startTime": format_datetime(self.start_time),
        }

    @property
    def data_node_service(self) -> DataNodeService | None:
        """What it serves, when it is a data server."""
        service = self.services.get(DataNodeService.NAME)
        return service if isinstance(service, DataNodeService) else None

    def to_server_metadata(self) -> DruidServerMetadata:
        """As a data server. Raises ValueError when it is none."""
        service = self.data_node_service
        if service is None:
            raise ValueError(f"{self.druid_node.host_and_port_to_use} is no data server")
        node = self.druid_node
        return DruidServerMetadata(
            name=node.host_and_port_to_use,
            host=node.host_and_port if node.enable_plaintext_port else None,
            max_size=service.max_size,
            tier=service.tier,
            type=service.server_type,
            priority=service.priority,
            host_and_tls_port=f"{node.host}:{node.tls_port}" if node.enable_tls_port else None,
        )


@frozen
class DruidServerMetadata:
    """A data server as the cluster sees it. ``max_size`` in bytes; a higher priority is asked first."""

    name: str
    host: str | None
    max_size: int
    tier: str = "_default_tier"
    type: str = "historical"
    priority: int = 0
    host_and_tls_port: str | None = None

    @property
    def base_url(self) -> str:
        """Where its HTTP API is."""
        return f"https://{self.host_and_tls_port}" if self.host_and_tls_port else f"http://{self.host}"

    @property
    def is_replicatable(self) -> bool:
        """Whether the Coordinator may place segments there: historicals and bridges."""
        return self.type in ("historical", "bridge")

    def as_druid_server(self) -> dict[str, Any]:
        """As Druid writes its ``DruidServerMetadata``."""
        return {
            "name": self.name,
            "host": self.host,
            "hostAndTlsPort": self.host_and_tls_port,
            "maxSize": self.max_size,
            "type": self.type,
            "tier": self.tier,
            "priority": self.priority,
        }


@frozen
class Worker:
    """A process that runs tasks: its address, capacity in slots, version ("" means disabled) and category."""

    scheme: str = "http"
    host: str = "localhost"
    ip: str = "localhost"
    capacity: int = 1
    version: str = "0"
    category: str = "_default_worker_category"
