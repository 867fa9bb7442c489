"""``/druid/coordinator/v1/cluster``: who is in the cluster, as discovery shows it."""

from __future__ import annotations

from typing import Any

from nemeton.model import DiscoveryDruidNode, NodeRole
from nemeton.spi.discovery import DruidNodeDiscoveryProvider
from nemeton.spi.http import Request, Resource, route, state_read

BASE = "/druid/coordinator/v1/cluster"
_ALWAYS = (NodeRole.COORDINATOR, NodeRole.OVERLORD, NodeRole.BROKER, NodeRole.HISTORICAL, NodeRole.ROUTER)


class ClusterResource(Resource):
    """Druid's class of the same name."""

    def __init__(self, provider: DruidNodeDiscoveryProvider) -> None:
        """This role's discovery."""
        self._provider = provider

    @route("GET", BASE, access=state_read)
    def cluster(self, request: Request) -> dict[str, Any]:
        """The nodes of each role; ``full=true`` with all that they announce. Workers are left out if there are none."""
        by_role = {role: self._nodes(role, request) for role in NodeRole.built_in() if role != NodeRole.PEON}
        return {role.json_name: nodes for role, nodes in by_role.items() if nodes or role in _ALWAYS}

    @route("GET", f"{BASE}/{{role}}", access=state_read)
    def role(self, request: Request) -> list[Any]:
        """The nodes of one role, in either of its spellings; none for roles that nobody has."""
        role = NodeRole.parse(request.path_params["role"])
        return self._nodes(role, request) if role in NodeRole.built_in() else []

    def _nodes(self, role: NodeRole, request: Request) -> list[Any]:
        nodes = self._provider.get_for_node_role(role).all_nodes()
        if request.query("full") == "true":
            return list(nodes)
        return [_simple(node) for node in nodes]


def _simple(node: DiscoveryDruidNode) -> dict[str, Any]:
    """Druid's short form, in which ports that are not there are left out."""
    druid_node = node.druid_node
    simple: dict[str, Any] = {"host": druid_node.host, "service": druid_node.service_name}
    if druid_node.enable_plaintext_port:
        simple["plaintextPort"] = druid_node.plaintext_port
    if druid_node.enable_tls_port:
        simple["tlsPort"] = druid_node.tls_port
    return simple
