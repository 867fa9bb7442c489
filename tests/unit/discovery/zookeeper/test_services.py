"""Services and data servers are announced as Druid does (behaviours 20.1, 20.3)."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from kazoo.exceptions import NoNodeError

from nemeton.dataserver.announcer import DataSegmentAnnouncer
from nemeton.discovery.leader_services import AnnouncedService, CoordinatorOverlordServiceConfig
from nemeton.discovery.zookeeper.config import BatchDataSegmentAnnouncerConfig, CuratorDiscoveryConfig
from nemeton.discovery.zookeeper.encoding import decompress
from nemeton.discovery.zookeeper.segments import BatchDataSegmentAnnouncer
from nemeton.discovery.zookeeper.services import CuratorServiceAnnouncer
from nemeton.json import Json
from nemeton.model import DataSegment, DruidNode, DruidServerMetadata
from nemeton.spi.discovery import ServiceAnnouncer
from nemeton.testkit.waiting import eventually
from nemeton.time import Interval

NODE = DruidNode("druid/coordinator", "host", plaintext_port=8081)
SERVER = DruidServerMetadata("host:8083", "host:8083", 5_000_000_000)


@pytest.fixture
def connection(zookeeper, connect):
    return connect(zookeeper)


@pytest.fixture
def announcer(connection, make_announcer):
    return make_announcer(connection)


@pytest.fixture
def client(zookeeper, connect):
    return connect(zookeeper).client


@pytest.fixture
def services(announcer, clock, base):
    return CuratorServiceAnnouncer(CuratorDiscoveryConfig(path=f"{base}/discovery"), announcer, Json(), clock)


def test_a_service_is_announced_as_curator_does(services, client, base):
    services.announce(NODE)
    parent = f"{base}/discovery/druid:coordinator"
    (instance_id,) = client.get_children(parent)
    data, stat = client.get(f"{parent}/{instance_id}")
    instance = json.loads(data)
    assert list(instance) == [
        "name",
        "id",
        "address",
        "port",
        "sslPort",
        "payload",
        "registrationTimeUTC",
        "serviceType",
        "uriSpec",
    ]
    assert instance.pop("registrationTimeUTC") > 1_600_000_000_000
    assert instance == {
        "name": "druid:coordinator",
        "id": instance_id,
        "address": "host",
        "port": 8081,
        "sslPort": -1,
        "payload": None,
        "serviceType": "DYNAMIC",
        "uriSpec": None,
    }
    assert stat.ephemeralOwner != 0
    services.announce(NODE)
    assert client.get_children(parent) == [instance_id]
    services.unannounce(NODE)
    services.unannounce(NODE)
    assert client.get_children(parent) == []


def test_an_overlord_in_the_coordinators_process_has_a_service_of_its_own(services, client, base):
    config = CoordinatorOverlordServiceConfig(enabled=True)
    announced = [AnnouncedService(services, node) for node in (NODE, config.overlord_node(NODE))]
    for each in announced:
        each.announce()
    assert sorted(client.get_children(f"{base}/discovery")) == ["druid:coordinator", "druid:overlord"]
    assert CoordinatorOverlordServiceConfig().overlord_node(NODE) == NODE


def test_service_discovery_can_be_turned_off(announcer, clock, client, base):
    CuratorServiceAnnouncer(CuratorDiscoveryConfig(path=None), announcer, Json(), clock).announce(NODE)
    assert announcer.announced == {}


def test_leading_does_not_depend_on_the_announcement(caplog):
    class Broken(ServiceAnnouncer):
        def announce(self, node):
            raise OSError("no connection")

        unannounce = announce

    service = AnnouncedService(Broken(), NODE)
    service.announce()
    service.unannounce()
    assert [record.exc_info[1].args for record in caplog.records] == [("no connection",)] * 2


# ---- data servers


def segment(day, **changes):
    interval = Interval.parse(f"2026-01-{day:02d}/P1D")
    return DataSegment("wiki", interval, "v1", {"type": "local", "path": "x"}, ("page",), ("n",)).with_(**changes)


@pytest.fixture
def make(announcer, connection, clock):
    made = []

    def make(**config):
        settings = BatchDataSegmentAnnouncerConfig(**config)
        elsewhere = BatchDataSegmentAnnouncer(SERVER, settings, connection.paths, announcer, Json(), clock)
        made.append(DataSegmentAnnouncer(clock, elsewhere, settings))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def batches(client, base):
    def batches():
        parent = f"{base}/segments/host:8083"
        if not client.exists(parent):
            return {}
        found = {}
        for name in client.get_children(parent):
            with contextlib.suppress(NoNodeError):  # it has just gone
                found[name] = json.loads(decompress(client.get(f"{parent}/{name}")[0]))
        return found

    return batches


def flat(batches):
    return sorted(day for batch in days(batches) for day in batch)


def days(batches):
    return sorted([each["interval"][8:10] for each in batch] for batch in batches.values())


def test_a_data_server_is_announced_after_its_segments(make, batches, client, base):
    server = make()
    server.announce([segment(1)])
    server.start()
    assert days(batches()) == [["01"]]
    data, stat = client.get(f"{base}/announcements/host:8083")
    assert json.loads(decompress(data)) == {
        "name": "host:8083",
        "host": "host:8083",
        "hostAndTlsPort": None,
        "maxSize": 5_000_000_000,
        "type": "historical",
        "tier": "_default_tier",
        "priority": 0,
    }
    assert stat.ephemeralOwner != 0
    server.stop()
    assert client.exists(f"{base}/announcements/host:8083") is None
    assert batches() == {}
    assert client.exists(f"{base}/segments/host:8083") is not None


def test_without_segments_there_is_an_empty_batch(make, batches):
    server = make()
    server.start()
    ((name, content),) = batches().items()
    assert content == []
    assert re.fullmatch(r"host:8083_historical__default_tier_\d{4}-\d\d-\d\dT[\d:.]+Z_[0-9a-f]{32}0", name)
    server.announce([segment(1)])
    eventually(lambda: days(batches()) == [["01"]], "the batch's being filled")
    assert list(batches()) == [name]


def test_batches_have_a_bound_and_are_filled_up(make, batches):
    server = make(segments_per_node=2)
    server.announce([segment(day) for day in (1, 2, 3)])
    server.start()
    assert days(batches()) == [["01", "02"], ["03"]]
    server.unannounce([segment(1)])
    eventually(lambda: days(batches()) == [["02"], ["03"]], "the first one's going")
    server.announce([segment(4), segment(5)])
    eventually(lambda: flat(batches()) == ["02", "03", "04", "05"], "the new ones")
    assert len(batches()) == 2
    server.unannounce([segment(day) for day in (2, 3, 4, 5)])
    eventually(lambda: batches() == {}, "empty batches' going")


def test_batches_have_a_bound_in_bytes(make, batches, caplog):
    server = make(max_bytes_per_node=1024)
    server.announce([segment(day) for day in range(1, 8)])
    server.announce([segment(9, dimensions=tuple(f"dimension{number}" for number in range(200)))])
    server.start()
    assert flat(batches()) == [f"0{day}" for day in range(1, 8)]
    assert all(len(json.dumps(batch, separators=(",", ":"))) <= 1024 for batch in batches().values())
    assert len(batches()) > 1
    assert "exceed druid.announcer.maxBytesPerNode" in caplog.text


def test_what_can_be_left_out_is_left_out_everywhere(make, batches):
    server = make(skip_load_spec=True, skip_dimensions_and_metrics=True)
    server.announce([segment(1)])
    server.start()
    ((announced,),) = batches().values()
    assert announced.get("loadSpec") is None
    assert (announced["dimensions"], announced["metrics"]) == ("", "")
    assert server.announced[0].load_spec is None
