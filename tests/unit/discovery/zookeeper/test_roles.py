"""What whole roles leave in ZooKeeper has the form of the recordings (behaviours 8.22, 20.1, 20.3, 20.5)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nemeton.coordinator.coordinator import DruidCoordinator
from nemeton.http.client import HttpClient
from nemeton.indexing.overlord.master import TaskMaster
from nemeton.model import NodeRole
from nemeton.rpc.server_inventory import HttpServerInventoryView
from nemeton.server.embedded import EmbeddedCluster
from nemeton.spi.discovery import DruidNodeDiscoveryProvider
from nemeton.testkit.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
RECORDED = json.loads((ROOT / "data" / "reference" / "zk" / "two-masters.json").read_text())
SERVICES = ("broker", "coordinator", "overlord", "router")
FAMILIES = {
    "the latch of Coordinators": r"/coordinator/_COORDINATOR/_c_[-0-9a-f]{36}-latch-\d{10}",
    "the latch of Overlords": r"/overlord/_OVERLORD/_c_[-0-9a-f]{36}-latch-\d{10}",
    "a data server": r"/announcements/localhost:\d+",
    "its segments": r"/segments/localhost:\d+/localhost:\d+_historical__default_tier_[-\dT:.]+Z_[0-9a-f]{32}\d+",
    **{f"the service {name}": rf"/discovery/druid:{name}/[-0-9a-f]{{36}}" for name in SERVICES},
    **{
        f"a {role}": rf"/internal-discovery/{role.name}/localhost:\d+"
        for role in (NodeRole.COORDINATOR, NodeRole.OVERLORD, NodeRole.BROKER, NodeRole.HISTORICAL, NodeRole.ROUTER)
    },
}


@pytest.fixture(scope="module")
def cluster(zookeeper, tmp_path_factory):
    properties = {
        "druid.extensions.loadList": "[]",
        "druid.discovery.type": "curator",
        "druid.zk.service.host": zookeeper.connect_string,
        "druid.zk.paths.base": "/roles",
        "druid.discovery.curator.path": "/roles/discovery",
        "druid.coordinator.asOverlord.enabled": "true",
    }
    roles = ("coordinator", "historical", "broker", "router")
    with EmbeddedCluster(
        tmp_path_factory.mktemp("roles"), router_port=0, roles=roles, properties=properties
    ) as cluster:
        injector = cluster.process.injectors["coordinator"]
        eventually(lambda: injector.get(TaskMaster).is_leader, "the Overlord leads")
        eventually(lambda: injector.get(DruidCoordinator).is_leader, "the Coordinator leads")
        yield cluster


@pytest.fixture(scope="module")
def tree(cluster, zookeeper):
    """All nodes with data, as the recordings have them."""
    from kazoo.client import KazooClient

    from nemeton.discovery.zookeeper.encoding import decompress

    client = KazooClient(zookeeper.connect_string, timeout=10)
    client.start()
    try:
        found = {}

        def walk(path):
            data, stat = client.get(path)
            text = decompress(data).decode()
            found[path.removeprefix("/roles")] = {
                "ephemeral": stat.ephemeralOwner != 0,
                "gzip": data[:2] == b"\x1f\x8b",
                "data": json.loads(text) if text.startswith(("{", "[")) else {"_text": text},
            }
            for child in client.get_children(path):
                walk(f"{path}/{child}")

        walk("/roles")
        return found
    finally:
        client.stop()
        client.close()


def of(family, tree):
    return [entry for path, entry in tree.items() if re.fullmatch(FAMILIES[family], path.removeprefix("/druid"))]


def shape(value):
    """Names and types; lists by their first element."""
    if isinstance(value, dict):
        return {key: shape(element) for key, element in value.items()}
    if isinstance(value, list):
        return [shape(element) for element in value[:1]]
    return type(value).__name__


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_written_as_druid_writes_it(tree, family):
    recorded, ours = of(family, RECORDED), of(family, tree)
    assert recorded
    (entry,) = ours
    theirs = recorded[0]
    assert (entry["ephemeral"], entry["gzip"]) == (theirs["ephemeral"], theirs["gzip"])
    if family == "its segments":
        assert entry["data"] == []
        return
    assert shape(entry["data"]) == shape(theirs["data"])


def test_names_and_values_are_druids(tree, cluster):
    (latch,) = of("the latch of Overlords", tree)
    assert latch["data"]["_text"] == cluster.url("overlord")
    (overlord,) = of("a overlord", tree)
    assert overlord["data"]["nodeType"] == "overlord"
    assert overlord["data"]["druidNode"]["service"] == "druid/coordinator"
    (historical,) = of("a historical", tree)
    service = historical["data"]["services"]["dataNodeService"]
    # Java writes both as `type`, reads the first of them as the service's, and takes the server's from `serverType`
    assert (service["type"], service["serverType"]) == ("dataNodeService", "historical")


def test_the_roles_find_each_other_and_the_leaders(cluster):
    http = HttpClient()
    for role in ("coordinator", "historical", "broker", "router"):
        answer = http.request("GET", f"{cluster.url(role)}/status/selfDiscovered/status")
        assert answer.json() == {"selfDiscovered": True}, role
    for path in ("/druid/coordinator/v1/leader", "/druid/indexer/v1/leader"):
        assert http.request("GET", cluster.router_url + path).text == cluster.url("coordinator")
    inventory = cluster.process.injectors["coordinator"].get(HttpServerInventoryView)
    eventually(lambda: [server.metadata.type for server in inventory.servers] == ["historical"], "the data server")
    eventually(lambda: inventory.is_initialized, "the first view")


def test_peons_of_such_a_cluster_find_their_overlord(cluster):
    http = HttpClient()
    api = f"{cluster.router_url}/druid/indexer/v1/task"
    task_id = http.request("POST", api, json={"type": "noop", "id": "noop_zk", "runTime": 1}).json()["task"]

    def state():
        return http.request("GET", f"{api}/{task_id}/status").json()["status"]["status"]

    eventually(lambda: state() != "RUNNING", "the task ends", 60)
    assert state() == "SUCCESS"


def test_a_role_that_stops_takes_its_nodes_with_it(zookeeper, tmp_path, connect, base):
    properties = {
        "druid.extensions.loadList": "[]",
        "druid.discovery.type": "zk",
        "druid.zk.service.host": zookeeper.connect_string,
        "druid.zk.paths.base": base,
    }
    client = connect(zookeeper).client
    with EmbeddedCluster(tmp_path, router_port=0, roles=("historical",), properties=properties) as cluster:
        provider = cluster.process.injectors["historical"].get(DruidNodeDiscoveryProvider)
        assert len(provider.get_for_node_role(NodeRole.HISTORICAL).all_nodes()) == 1
        assert client.get_children(f"{base}/internal-discovery/HISTORICAL") != []
        assert client.get_children(f"{base}/announcements") != []
    assert client.get_children(f"{base}/internal-discovery/HISTORICAL") == []
    assert client.get_children(f"{base}/announcements") == []


def test_a_role_whose_zookeeper_is_not_there_says_so(tmp_path):
    properties = {
        "druid.extensions.loadList": "[]",
        "druid.discovery.type": "curator",
        "druid.zk.service.host": "127.0.0.1:1",
        "druid.zk.service.connectionTimeoutMs": "300",
    }
    from nemeton.common.errors import DruidException

    cluster = EmbeddedCluster(tmp_path, router_port=0, roles=("router",), properties=properties)
    with pytest.raises(DruidException, match=r"ZooKeeper at \[127.0.0.1:1\] did not answer"):
        cluster.start()
