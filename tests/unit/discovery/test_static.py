"""Discovery from a fixed list."""

from __future__ import annotations

import pytest

from nemeton.common.clock import SystemClock
from nemeton.common.errors import DruidException
from nemeton.config import JsonConfigurator, Properties
from nemeton.discovery.static import StaticDiscovery, StaticDiscoveryConfig, node_of_url
from nemeton.json import Json
from nemeton.model import NodeRole
from nemeton.testkit.suites.discovery import hosts, node


@pytest.fixture
def make():
    kinds = []

    def make(cls, *args):
        kinds.append(cls(*args, SystemClock()))
        return kinds[-1]

    yield make
    for kind in kinds:
        kind.close()


def test_it_finds_what_is_configured(make):
    properties = {"druid.discovery.static.nodes": '{"overlord":["http://host:8090"]}'}
    config = JsonConfigurator(Properties(properties), Json()).configurate(
        "druid.discovery.static", StaticDiscoveryConfig
    )
    kind = make(StaticDiscovery, config)
    found = kind.provider().get_for_node_role(NodeRole.OVERLORD).all_nodes()
    assert [each.druid_node.service_url for each in found] == ["http://host:8090"]
    assert list(kind.provider().get_for_node_role(NodeRole.COORDINATOR).all_nodes()) == []


def test_it_knows_its_own_announcements(make):
    kind = make(StaticDiscovery, StaticDiscoveryConfig())
    kind.announcer().announce(node(1, NodeRole.PEON))
    assert hosts(kind.provider().get_for_node_role(NodeRole.PEON).all_nodes()) == ["host:1"]
    kind.announcer().unannounce(node(1, NodeRole.PEON))
    assert list(kind.provider().get_for_node_role(NodeRole.PEON).all_nodes()) == []


@pytest.mark.parametrize("url", ["", "host:80", "ftp://host:1", "http://host", "http://host:x"])
def test_what_is_no_url(url):
    with pytest.raises(DruidException, match="is no URL of a service"):
        node_of_url(url, "druid/overlord")


@pytest.mark.parametrize("url", ["http://host:80", "https://host:81", "http://[::1]:82"])
def test_a_url_and_back(url):
    assert node_of_url(url, "druid/overlord").service_url == url
