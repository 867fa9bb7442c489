"""Java and Python around one ZooKeeper: they see each other, and one of them leads.

One Java Coordinator, which is the Overlord too, and reads segments from ZooKeeper (``druid.serverview.type=batch``).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request

import pytest
from tests.servers.fixtures import running
from tests.servers.zookeeper import ZooKeeperServer

from nemeton.common.clock import SystemClock
from nemeton.coordinator.coordinator import DruidCoordinator
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import (
    BatchDataSegmentAnnouncerConfig,
    CuratorConfig,
    CuratorDiscoveryConfig,
    IndexerZkConfig,
    ZkPathsConfig,
)
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.discovery.zookeeper.curator import CuratorDiscovery, CuratorLeaderSelection
from nemeton.emitter import ServiceEmitter
from nemeton.json import Json
from nemeton.model import (
    DataNodeService,
    DataSegment,
    DiscoveryDruidNode,
    DruidNode,
    DruidServerMetadata,
    LookupNodeService,
    NodeRole,
    WorkerNodeService,
)
from nemeton.server.embedded import EmbeddedCluster
from nemeton.testkit.suites.leader_selector import RecordingListener
from nemeton.testkit.waiting import eventually
from nemeton.time import Interval

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("java")]

OFFSET = 9500
JAVA = f"http://localhost:{8081 + OFFSET}"
SESSION_MS = 6000
PYTHON = DruidNode("druid/coordinator", "localhost", plaintext_port=8081 + OFFSET + 1)
LATCHES = {"coordinator": "/druid/coordinator/v1/leader", "overlord": "/druid/indexer/v1/leader"}
LONG_S = 90.0


def ask(path):
    with urllib.request.urlopen(JAVA + path, timeout=10) as answer:
        return answer.read().decode()


def java_says(path):
    try:
        return ask(path)
    except urllib.error.URLError:
        return None


def answered_by(url):
    """Who answered, after redirects."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.geturl()[: answer.geturl().index("/druid")]


class Member:
    """A Python process's part in the cluster."""

    def __init__(self, server):
        clock = SystemClock()
        config = CuratorConfig(host=server.connect_string, session_timeout_ms=SESSION_MS)
        self.zookeeper = ZooKeeper(config, ZkPathsConfig(), IndexerZkConfig(), clock)
        self.announcer = Announcer(self.zookeeper, clock)
        services, segments = CuratorDiscoveryConfig(), BatchDataSegmentAnnouncerConfig()
        self.discovery = CuratorDiscovery(self.zookeeper, self.announcer, services, segments, Json(), clock)
        self.discovery.start()
        self.selection = CuratorLeaderSelection(
            self.zookeeper, CuratorDiscoveryConfig(fence_writes=False), None, clock, ServiceEmitter()
        )

    def close(self):
        self.discovery.close()
        self.announcer.stop()
        self.zookeeper.stop()


@pytest.fixture(scope="module")
def server(real_druid):
    yield from running(ZooKeeperServer)


@pytest.fixture
def member(server):
    made = Member(server)
    yield made
    made.close()


@pytest.fixture(scope="module")
def first(server):
    """A Python process that led both services before the Java process came."""
    made = Member(server)
    selectors = {service: made.selection.selector(service, PYTHON) for service in LATCHES}
    for service, selector in selectors.items():
        selector.register_listener(RecordingListener())
        eventually(selector.is_leader, f"leading as {service}")
    made.selectors = selectors
    yield made
    for selector in selectors.values():
        with contextlib.suppress(ValueError):
            selector.unregister_listener()
    made.close()


@pytest.fixture(scope="module")
def java(real_druid, server, first):
    """The Java process; returns its pid."""
    properties = {"druid.serverview.type": "batch", "druid.zk.service.sessionTimeoutMs": SESSION_MS}
    with real_druid.servers(OFFSET, server.connect_string, "coordinator", properties=properties):
        yield int((real_druid.var / "pid" / "coordinator").read_text())


@pytest.fixture
def leading_java(java, first):
    """The Java process, after it became leader of both services; returns its pid."""
    for selector in first.selectors.values():
        with contextlib.suppress(ValueError):  # it has left
            selector.unregister_listener()
    for path in LATCHES.values():
        eventually(lambda path=path: java_says(path) == JAVA, "Java's leading", LONG_S)
    return java


def test_java_follows_a_python_leader_and_takes_over_from_it(java, first, member):
    """The leader's URL, read on both sides; then the service that the new leader announces."""
    for service, path in LATCHES.items():
        eventually(lambda path=path: java_says(path) == PYTHON.service_url, f"Java's following the {service}")
    assert json.loads(_body_of_error("/druid/coordinator/v1/isLeader")) == {"leader": False}
    watching = {service: member.selection.selector(service, PYTHON) for service in LATCHES}
    for service, selector in watching.items():
        assert selector.get_current_leader() == PYTHON.service_url
        first.selectors[service].unregister_listener()
    for service, path in LATCHES.items():
        eventually(lambda path=path: java_says(path) == JAVA, f"Java's leading as {service}", LONG_S)
        eventually(lambda service=service: watching[service].get_current_leader() == JAVA, "knowing it")
        assert not watching[service].is_leader()


def test_java_announces_its_services_as_we_do(leading_java, member):
    client = member.zookeeper.client
    node = DruidNode("druid/python", "localhost", plaintext_port=1)
    member.discovery.service_announcer().announce(node)

    def instance(service):
        parent = f"/druid/discovery/druid:{service}"
        names = client.get_children(parent) if client.exists(parent) else []
        return [(name, json.loads(client.get(f"{parent}/{name}")[0])) for name in names]

    ((name, ours),) = instance("python")
    assert ours["id"] == name
    for service in LATCHES:
        eventually(lambda service=service: instance(service), f"Java's announcing of {service}", LONG_S)
        ((name, theirs),) = instance(service)
        assert theirs["id"] == name
        assert list(theirs) == list(ours)
        assert {key: type(value) for key, value in theirs.items()} == {key: type(value) for key, value in ours.items()}


def test_they_see_each_other_in_discovery(leading_java, member):
    provider = member.discovery.provider()
    for role in (NodeRole.COORDINATOR, NodeRole.OVERLORD):
        (found,) = provider.get_for_node_role(role).all_nodes()
        assert found.druid_node == DruidNode("druid/coordinator", "localhost", plaintext_port=8081 + OFFSET)
        assert found.node_role == role
    announced = {
        NodeRole.HISTORICAL: [DataNodeService(max_size=10), LookupNodeService()],
        NodeRole.BROKER: [LookupNodeService()],
        NodeRole.MIDDLE_MANAGER: [WorkerNodeService(capacity=3)],
    }
    nodes = []
    for port, (role, services) in enumerate(announced.items(), 1):
        offered = {service.NAME: service for service in services}
        nodes.append(
            DiscoveryDruidNode(DruidNode(f"druid/{role}", "localhost", plaintext_port=port), role, offered, 1000)
        )
        member.discovery.announcer().announce(nodes[-1])

    def seen():
        cluster = json.loads(ask("/druid/coordinator/v1/cluster"))
        return {role: [(each["service"], each["plaintextPort"]) for each in cluster.get(role.json_name, [])]
                for role in announced}  # fmt: skip

    expected = {role: [(f"druid/{role}", port)] for port, role in enumerate(announced, 1)}
    eventually(lambda: seen() == expected, "Java's seeing ours")
    for node in nodes:
        member.discovery.announcer().unannounce(node)
    eventually(lambda: not any(seen().values()), "Java's seeing them go")


def test_java_reads_segments_of_a_python_data_server(leading_java, member):
    metadata = DruidServerMetadata("localhost:7", "localhost:7", 1000, tier="hot", priority=3)
    server = member.discovery.data_server_announcer(metadata)
    segments = [
        DataSegment("wiki", Interval.parse(f"2026-01-{day:02d}/P1D"), "v1", {"type": "local", "path": "x"},
                    ("page",), ("n",), size=7)
        for day in (1, 2, 3)
    ]  # fmt: skip
    server.announce_segments(segments[:2])
    server.announce_server()

    def seen():
        servers = json.loads(ask("/druid/coordinator/v1/servers?full"))
        return {each["host"]: (each["tier"], each["priority"], each["maxSize"], sorted(each["segments"]))
                for each in servers}  # fmt: skip

    def expected(served):
        return {"localhost:7": ("hot", 3, 1000, sorted(str(segment.id) for segment in served))}

    eventually(lambda: seen() == expected(segments[:2]), "Java's seeing the server and its segments")
    server.announce_segments(segments[2:])
    eventually(lambda: seen() == expected(segments), "the third segment's coming")
    server.unannounce_segments(segments[:1])
    eventually(lambda: seen() == expected(segments[1:]), "the first one's going")
    server.unannounce_server()
    eventually(lambda: seen() == {}, "its going")


def test_a_java_leader_that_sleeps_is_followed_by_python_and_knows_it_when_it_wakes_up(
    leading_java, server, member, tmp_path
):
    """Never two: a whole Python Coordinator stands by, leads when Java's session is over, and is named by Java."""
    properties = {
        "druid.extensions.loadList": "[]",
        "druid.discovery.type": "curator",
        "druid.zk.service.host": server.connect_string,
        "druid.zk.service.sessionTimeoutMs": str(SESSION_MS),
    }
    leader, elsewhere = LATCHES["coordinator"], "/druid/coordinator/v1/datasources"
    with EmbeddedCluster(tmp_path, router_port=0, roles=("coordinator",), properties=properties) as cluster:
        python = cluster.url("coordinator")
        coordinator = cluster.process.injectors["coordinator"].get(DruidCoordinator)
        assert answered_by(python + elsewhere) == JAVA
        assert not coordinator.is_leader
        os.kill(leading_java, signal.SIGSTOP)
        stopped_at = time.monotonic()
        try:
            eventually(lambda: coordinator.is_leader, "ours leading")
            assert time.monotonic() - stopped_at > SESSION_MS / 1000 / 2
        finally:
            os.kill(leading_java, signal.SIGCONT)
        eventually(lambda: java_says(leader) == python, "Java's knowing", LONG_S)
        assert answered_by(JAVA + elsewhere) == python
        assert coordinator.is_leader
        assert coordinator.selector.local_term() == 1
        found = member.discovery.provider().get_for_node_role(NodeRole.COORDINATOR)
        eventually(lambda: {each.druid_node.service_url for each in found.all_nodes()} == {JAVA, python}, "both nodes")
    eventually(lambda: java_says(leader) == JAVA, "Java's leading again", LONG_S)


def test_an_outage_of_zookeeper_leaves_one_leader_and_all_nodes(leading_java, server, member):
    """Frozen for longer than the sessions: Java and Python announce themselves again, and one of them leads."""
    node = DiscoveryDruidNode(DruidNode("druid/broker", "localhost", plaintext_port=1), NodeRole.BROKER, {}, 1000)
    member.discovery.announcer().announce(node)
    selector = member.selection.selector("coordinator", PYTHON)
    selector.register_listener(RecordingListener())
    server.freeze()
    try:
        threading.Event().wait(SESSION_MS / 1000 * 1.5)
        assert not selector.is_leader()
    finally:
        server.thaw()
    try:

        def leaders():
            return {java_says(LATCHES["coordinator"]), selector.get_current_leader()}

        eventually(lambda: leaders() in ({JAVA}, {PYTHON.service_url}), "one leader, known to both", LONG_S)
        provider = member.discovery.provider()
        eventually(lambda: len(provider.get_for_node_role(NodeRole.COORDINATOR).all_nodes()) == 1, "seeing Java")
    finally:
        selector.unregister_listener()

    def brokers():
        return json.loads(java_says("/druid/coordinator/v1/cluster") or "{}").get("broker")

    eventually(lambda: [each["plaintextPort"] for each in brokers() or ()] == [1], "Java's seeing our node", LONG_S)


def _body_of_error(path):
    """The body of an answer that is no success, which `isLeader` of a standby is (404)."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(path)
    return caught.value.read().decode()
