"""What the tables of schema ``sys`` say: the Broker's view, and what Coordinator and Overlord know."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nemeton.common.errors import forbidden
from nemeton.http.auth import AuthChain
from nemeton.json import Json
from nemeton.model import DataSegment, DiscoveryDruidNode, NodeRole
from nemeton.rpc.client import RetryPolicy
from nemeton.rpc.coordinator import CoordinatorClient
from nemeton.rpc.errors import HttpResponseError, RpcError
from nemeton.rpc.overlord import OverlordClient
from nemeton.server.broker.schema import SegmentMetadataCache
from nemeton.server.broker.server_view import BrokerServerView
from nemeton.spi.auth import Action, AuthenticationResult, ResourceAction
from nemeton.spi.discovery import DruidNodeDiscoveryProvider
from nemeton.time import format_datetime

log = logging.getLogger(__name__)

Record = Mapping[str, Any]

_IMPATIENT = RetryPolicy(deadline_s=5.0, max_attempts=2)
_PUBLISHED = "/druid/coordinator/v1/metadata/segments?includeOvershadowedStatus&includeRealtimeSegments"


class BrokerSystemSchema:
    """The Broker's `nemeton.sql.system.sys_tables.SystemSchemaProvider`. Thread-safe.

    Other services are asked with the Broker's own credentials; what the caller may see of that is decided here.
    """

    def __init__(
        self,
        view: BrokerServerView,
        schema: SegmentMetadataCache,
        discovery: DruidNodeDiscoveryProvider,
        coordinator: CoordinatorClient,
        overlord: OverlordClient,
        auth: AuthChain,
        json: Json,
    ) -> None:
        self._view = view
        self._schema = schema
        self._discovery = discovery
        self._coordinator = coordinator
        self._overlord = overlord
        self._auth = auth
        self._json = json

    def _require_state_read(self, identity: AuthenticationResult) -> None:
        access = self._auth.check(identity, [ResourceAction.state(Action.READ)])
        if not access.allowed:
            raise forbidden(f"Insufficient permission to view servers: {access.message}")

    def segments(self, identity: AuthenticationResult) -> Iterator[Record]:
        """Published segments, then those that are only served, of data sources that the caller may read."""
        may_read = self._auth.reader(identity)
        served = {
            str(selector.segment.id): selector
            for name in self._view.data_sources
            if may_read(name)
            for selector in self._view.selectors(name)
        }
        for published in self._coordinator.client.request("GET", _PUBLISHED).json():
            if published.get("realtime") or not may_read(published["dataSource"]):
                continue
            segment = self._json.structure(published, DataSegment)
            servers = selector.servers if (selector := served.pop(str(segment.id), None)) else []
            overshadowed = bool(published.get("overshadowed"))
            yield self._record(segment) | {
                "num_replicas": len(servers),
                "is_active": int(not overshadowed),
                "is_published": 1,
                "is_available": int(bool(servers)),
                "is_realtime": int(bool(servers) and not any(each.metadata.is_replicatable for each in servers)),
                "is_overshadowed": int(overshadowed),
                "replication_factor": _or(published.get("replicationFactor"), -1),
            }
        for selector in served.values():
            realtime = not any(server.metadata.is_replicatable for server in selector.servers)
            yield self._record(selector.segment) | {
                "num_replicas": len(selector.servers),
                "is_active": int(realtime),
                "is_published": 0,
                "is_available": 1,
                "is_realtime": int(realtime),
                "is_overshadowed": 0,
                "replication_factor": -1,
            }

    def _record(self, segment: DataSegment) -> dict[str, Any]:
        return {
            "segment_id": str(segment.id),
            "datasource": segment.data_source,
            "start": format_datetime(segment.interval.start),
            "end": format_datetime(segment.interval.end),
            "size": segment.size,
            "version": segment.version,
            "partition_num": segment.partition_num,
            "num_rows": self._schema.num_rows(segment),
            "shard_spec": self._text(segment.shard_spec),
            "dimensions": self._text(segment.dimensions),
            "metrics": self._text(segment.metrics),
            "last_compaction_state": self._text(segment.last_compaction_state),
        }

    def _text(self, value: Any) -> str | None:
        return None if value is None else self._json.dumps(value).decode()

    def servers(self, identity: AuthenticationResult) -> Iterator[Record]:
        """Every discovered node, by role; forbidden without READ on the cluster's state."""
        self._require_state_read(identity)
        return self._servers()

    def _servers(self) -> Iterator[Record]:
        sizes = {server.name: server.current_size for server in self._view.servers}
        leaders = {
            NodeRole.COORDINATOR: self._leader(NodeRole.COORDINATOR, self._coordinator.with_policy(_IMPATIENT)),
            NodeRole.OVERLORD: self._leader(NodeRole.OVERLORD, self._overlord.with_policy(_IMPATIENT)),
        }
        for role in NodeRole.built_in():
            for node in self._discovery.get_for_node_role(role).all_nodes():
                yield _server_record(node, sizes, leaders.get(role))

    def _leader(self, role: NodeRole, client: CoordinatorClient | OverlordClient) -> str:
        """The leader's URL; empty when there is none, or it cannot be found out at once."""
        if not self._discovery.get_for_node_role(role).all_nodes():
            return ""
        try:
            return client.find_current_leader()
        except RpcError as failure:
            log.info("The leader among the %ss is not known: %s", role, failure)
            return ""

    def server_segments(self, identity: AuthenticationResult) -> Iterable[Record]:
        """Who serves what of the data sources that the caller may read; forbidden without READ on the state."""
        self._require_state_read(identity)
        may_read = self._auth.reader(identity)
        return (
            {"server": server.name, "segment_id": str(segment_id)}
            for server in self._view.servers
            for segment_id in server.segments
            if may_read(segment_id.data_source)
        )

    def tasks(self, identity: AuthenticationResult) -> Iterable[Record]:
        """Running and recent tasks of data sources that the caller may read."""
        may_read = self._auth.reader(identity)
        return (_task_record(task) for task in self._overlord.tasks() if may_read(task["dataSource"]))

    def supervisors(self, identity: AuthenticationResult) -> Iterable[Record]:
        """Supervisors of data sources that the caller may read; none from an Overlord that has no such API yet."""
        may_read = self._auth.reader(identity)
        try:
            found = self._overlord.client.request("GET", "/druid/indexer/v1/supervisor?system").json()
        except HttpResponseError as failure:
            if failure.status in (404, 405):
                return []
            raise
        return [
            {
                "supervisor_id": each.get("id"),
                "state": each.get("state"),
                "detailed_state": each.get("detailedState"),
                "healthy": int(bool(each.get("healthy"))),
                "type": each.get("type"),
                "source": each.get("source"),
                "suspended": int(bool(each.get("suspended"))),
                "spec": each.get("specString"),
            }
            for each in found
            if may_read(each.get("dataSource") or each.get("source"))
        ]


def _server_record(node: DiscoveryDruidNode, sizes: Mapping[str, int], leader: str | None) -> Record:
    druid_node, data = node.druid_node, node.data_node_service
    return {
        "server": druid_node.host_and_port_to_use,
        "host": druid_node.host,
        "plaintext_port": druid_node.plaintext_port,
        "tls_port": druid_node.tls_port,
        "server_type": node.node_role.name.lower(),
        "tier": data.tier if data else None,
        "curr_size": sizes.get(druid_node.host_and_port_to_use, 0) if data else 0,
        "max_size": data.max_size if data else 0,
        "is_leader": None if leader is None else int(leader == druid_node.service_url),
        "start_time": format_datetime(node.start_time) if node.start_time else None,
    }


def _task_record(task: Mapping[str, Any]) -> Record:
    location = task.get("location") or {}
    host, port, tls_port = location.get("host"), _or(location.get("port"), -1), _or(location.get("tlsPort"), -1)
    return {
        "task_id": task["id"],
        "group_id": task.get("groupId"),
        "type": task.get("type"),
        "datasource": task.get("dataSource"),
        "created_time": task.get("createdTime"),
        "queue_insertion_time": task.get("queueInsertionTime"),
        "status": task.get("statusCode") or task.get("status"),
        "runner_status": task.get("runnerStatusCode"),
        "duration": _or(task.get("duration"), 0),
        "location": None if host is None else f"{host}:{tls_port if tls_port > 0 else port}",
        "host": host,
        "plaintext_port": port,
        "tls_port": tls_port,
        "error_msg": task.get("errorMsg"),
    }


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
