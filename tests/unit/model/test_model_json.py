"""JSON of the model, as the real Druid was recorded to write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.model import (
    ColumnType,
    DataNodeService,
    DataSegment,
    DiscoveryDruidNode,
    DruidNode,
    DruidServerMetadata,
    LookupNodeService,
    NodeRole,
    RowSignature,
    SegmentDescriptor,
    SegmentId,
    ShardSpec,
    TaskLocation,
    TaskLock,
    TaskLockType,
    TaskStatus,
    Worker,
)
from nemeton.model.extension import druid_services, shard_specs
from nemeton.plugins import TypeRegistry
from nemeton.time import Interval


@pytest.fixture
def json():
    registry = TypeRegistry()
    for hook, items in (("shard_specs", shard_specs()), ("druid_services", druid_services())):
        for item in items:
            registry.add(hook, item)
    return Json(registry)


SEGMENT = {
    "dataSource": "wiki_range",
    "interval": "2024-01-02T00:00:00.000Z/2024-01-03T00:00:00.000Z",
    "version": "2026-11-20T09:27:42.883Z",
    "loadSpec": {"type": "local", "path": "/segments/2/index/"},
    "dimensions": "page,user,n",
    "metrics": "",
    "shardSpec": {
        "type": "single",
        "dimension": "page",
        "start": "p39",
        "end": None,
        "partitionNum": 2,
        "numCorePartitions": 3,
    },
    "binaryVersion": 9,
    "size": 22855,
    "identifier": "wiki_range_2024-01-02T00:00:00.000Z_2024-01-03T00:00:00.000Z_2026-11-20T09:27:42.883Z_2",
}

NODE = {
    "druidNode": {
        "service": "druid/historical",
        "host": "localhost",
        "bindOnHost": False,
        "plaintextPort": 28083,
        "port": -1,
        "tlsPort": -1,
        "enablePlaintextPort": True,
        "enableTlsPort": False,
    },
    "nodeType": "historical",
    "services": {
        "dataNodeService": {
            "type": "historical",
            "tier": "_default_tier",
            "maxSize": 5000000000,
            "serverType": "historical",
            "priority": 0,
        },
        "lookupNodeService": {"type": "lookupNodeService", "lookupTier": "__default"},
    },
    "startTime": "2026-11-20T09:25:08.564Z",
}

LOCK = {
    "type": "EXCLUSIVE",
    "groupId": "act_a",
    "dataSource": "lockds",
    "interval": "2030-01-01T00:00:00.000Z/2030-01-02T00:00:00.000Z",
    "version": "2026-11-20T10:06:18.052Z",
    "priority": 50,
    "revoked": False,
}


@pytest.mark.parametrize(
    ("recorded", "cls"),
    [
        (SEGMENT, DataSegment),
        (NODE, DiscoveryDruidNode),
        (LOCK, TaskLock),
        ({"itvl": "2024-01-01T00:00:00.000Z/2024-01-02T00:00:00.000Z", "ver": "v", "part": 3}, SegmentDescriptor),
        (
            {
                "id": "t",
                "status": "RUNNING",
                "duration": -1,
                "errorMsg": None,
                "location": {"host": None, "port": -1, "tlsPort": -1},
            },
            TaskStatus,
        ),
        (
            {
                "scheme": "http",
                "host": "localhost:8091",
                "ip": "localhost",
                "capacity": 5,
                "version": "0",
                "category": "_default_worker_category",
            },
            Worker,
        ),
        ([{"name": "__time", "type": "LONG"}, {"name": "x"}, {"name": "y", "type": "ARRAY<STRING>"}], RowSignature),
    ],
)
def test_recorded_json_is_read_and_written_back(json, recorded, cls):
    assert json.unstructure(json.structure(recorded, cls)) == recorded


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "numbered", "partitionNum": 4, "partitions": 2},
        {"type": "linear", "partitionNum": 1},
        {"type": "none"},
        {
            "type": "hashed",
            "partitionNum": 0,
            "partitions": 3,
            "bucketId": 2,
            "numBuckets": 3,
            "partitionDimensions": ["low", "id"],
            "partitionFunction": "murmur3_32_abs",
        },
        {
            "type": "range",
            "dimensions": ["a", "b"],
            "start": None,
            "end": ["x", None],
            "partitionNum": 0,
            "numCorePartitions": 2,
        },
        {"type": "tombstone", "partitionNum": 0, "partitions": 0},
        {
            "type": "numbered_overwrite",
            "partitionId": 32768,
            "startRootPartitionId": 0,
            "endRootPartitionId": 2,
            "minorVersion": 1,
            "atomicUpdateGroupSize": 1,
        },
        {"type": "building_numbered", "partitionId": 7},
        {
            "type": "building_hashed",
            "partitionId": 1,
            "bucketId": 2,
            "numBuckets": 3,
            "partitionDimensions": ["a"],
            "partitionFunction": "murmur3_32_abs",
        },
        {
            "type": "building_single_dim",
            "bucketId": 0,
            "dimension": "page",
            "start": None,
            "end": "p23",
            "partitionNum": 0,
        },
        {
            "type": "building_range",
            "bucketId": 1,
            "dimensions": ["a", "b"],
            "start": ["a", None],
            "end": None,
            "partitionNum": 1,
        },
        {
            "type": "bucket_hash",
            "bucketId": 2,
            "numBuckets": 3,
            "partitionDimensions": [],
            "partitionFunction": "murmur3_32_abs",
        },
        {"type": "bucket_range", "bucketId": 0, "dimensions": ["page"], "start": None, "end": ["p23"]},
        {"type": "bucket_single_dim", "bucketId": 0, "dimension": "page", "start": "a", "end": None},
    ],
)
def test_shard_specs(json, spec):
    assert json.unstructure(json.structure(spec, ShardSpec)) == spec


def test_an_unknown_shard_spec_names_the_known_ones(json):
    with pytest.raises(DruidException, match=r"zoned.*numbered"):
        json.structure({**SEGMENT, "shardSpec": {"type": "zoned"}}, DataSegment)


@pytest.mark.parametrize("name", ["dataSource", "interval", "version"])
def test_a_segment_says_what_it_lacks(json, name):
    broken = {key: value for key, value in SEGMENT.items() if key != name}
    with pytest.raises(DruidException, match=name):
        json.structure(broken, DataSegment)


def test_the_list_of_segments_on_a_task_has_hardly_anything(json):
    found = json.structure(
        {
            "dataSource": "events",
            "interval": "2026-11-20T09:00:00.000Z/2026-11-20T10:00:00.000Z",
            "version": "v",
            "loadSpec": {},
            "dimensions": "",
            "metrics": "",
            "shardSpec": {"type": "numbered", "partitionNum": 2, "partitions": 0},
            "binaryVersion": None,
            "size": 0,
        },
        DataSegment,
    )
    assert found.dimensions == ()
    assert found.binary_version == 9


def test_segments_are_equal_when_their_ids_are(json):
    one = json.structure(SEGMENT, DataSegment)
    other = one.with_(size=1)
    assert one == other
    assert len({one, other}) == 1
    assert one != one.with_(version="other")


NAMES = st.text("ab_Z-.", min_size=1, max_size=8)
STARTS = st.integers(-(2**60), 2**60)


@given(NAMES, STARTS, st.integers(1, 2**40), NAMES, st.integers(0, 100))
def test_segment_ids_are_read_back(data_source, start, length, version, number):
    segment_id = SegmentId(data_source, Interval(start, start + length), version, number)
    found = SegmentId.parse(str(segment_id), data_source)
    # a version that ends in _<digits> cannot be told from a partition number; Druid has the same limit
    assert found == segment_id
    assert segment_id in SegmentId.parse_all(str(segment_id))


@pytest.mark.parametrize("text", ["", "nope", "ds_2024_2023_v", "ds_x_y_v", "ds_2024-01-01T00:00:00.000Z"])
def test_what_is_no_segment_id(text):
    with pytest.raises(DruidException, match="segment id"):
        SegmentId.parse(text)


@pytest.mark.parametrize(
    "text", ["STRING", "LONG", "FLOAT", "DOUBLE", "ARRAY<LONG>", "ARRAY<ARRAY<STRING>>", "COMPLEX<json>", "COMPLEX"]
)
def test_column_types(text):
    assert str(ColumnType.parse(text)) == text
    assert ColumnType.parse(text) == ColumnType.parse(text.lower().replace("json", "json"))


def test_unknown_column_types():
    with pytest.raises(DruidException, match="nope"):
        ColumnType.parse("nope")


def test_roles_are_open():
    assert NodeRole.parse("middleManager") == NodeRole.MIDDLE_MANAGER == NodeRole.parse("MIDDLE_MANAGER")
    assert NodeRole.MIDDLE_MANAGER.name == "MIDDLE_MANAGER"
    assert (NodeRole("acme").name, str(NodeRole("acme"))) == ("acme", "acme")


def test_services_of_unknown_kinds_are_left_out(json):
    node = json.structure({**NODE, "services": {**NODE["services"], "acme": {"type": "acme"}}}, DiscoveryDruidNode)
    assert set(node.services) == {"dataNodeService", "lookupNodeService"}
    assert isinstance(node.services["lookupNodeService"], LookupNodeService)


def test_a_node_as_a_data_server(json):
    node = json.structure(NODE, DiscoveryDruidNode)
    assert node.to_server_metadata() == DruidServerMetadata(
        "localhost:28083", "localhost:28083", 5000000000, "_default_tier", "historical", 0
    )
    assert node.to_server_metadata().is_replicatable
    with pytest.raises(ValueError, match="no data server"):
        DiscoveryDruidNode(node.druid_node, NodeRole.BROKER).to_server_metadata()


def test_addresses():
    plain = DruidNode("s", "h", plaintext_port=80)
    assert (plain.host_and_port, plain.service_url) == ("h:80", "http://h:80")
    tls = DruidNode("s", "::1", tls_port=443, enable_tls_port=True, enable_plaintext_port=False)
    assert (tls.host_and_port, tls.service_url) == ("[::1]:443", "https://[::1]:443")


def test_statuses():
    failed = TaskStatus.failure("t", "x" * 200)
    assert failed.is_failure
    assert failed.error_msg == "x" * 100 + "..."
    assert TaskStatus.success("t").with_duration(7).duration == 7
    assert TaskStatus.running("t").with_location(TaskLocation("h", 1)).location.url == "http://h:1"
    assert TaskLocation.unknown().url is None


def test_locks_can_be_revoked(json):
    lock = json.structure(LOCK, TaskLock)
    assert lock.type is TaskLockType.EXCLUSIVE
    assert lock.revoked_copy().revoked
    with pytest.raises(DruidException, match="groupId"):
        json.structure({"type": "SHARED"}, TaskLock)


def test_a_data_node_without_server_type_takes_it_from_the_type(json):
    service = json.structure({"type": "indexer-executor", "tier": "t", "maxSize": 0}, DataNodeService)
    assert service.server_type == "indexer-executor"
