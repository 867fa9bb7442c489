"""Paths and settings of ZooKeeper are Druid's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.config import ConfigurationError, JsonConfigurator, Properties
from nemeton.discovery.zookeeper.config import (
    BatchDataSegmentAnnouncerConfig,
    CuratorConfig,
    IndexerZkConfig,
    ZkPathsConfig,
    make_path,
)
from nemeton.discovery.zookeeper.encoding import compress, decompress


def read(prefix, cls, **properties):
    return JsonConfigurator(Properties({f"{prefix}.{name}": value for name, value in properties.items()})).configurate(
        prefix, cls
    )


def test_paths_lie_below_the_base():
    paths = read("druid.zk.paths", ZkPathsConfig)
    assert paths.base == "/druid"
    assert paths.announcements_path == "/druid/announcements"
    assert paths.live_segments_path == "/druid/segments"
    assert paths.coordinator_path == "/druid/coordinator"
    assert paths.overlord_path == "/druid/overlord"
    assert paths.internal_discovery_path == "/druid/internal-discovery"
    indexer = read("druid.zk.paths.indexer", IndexerZkConfig).below(paths)
    assert [indexer.announcements_path, indexer.tasks_path, indexer.status_path] == [
        f"/druid/indexer/{name}" for name in ("announcements", "tasks", "status")
    ]


def test_each_base_is_that_of_its_own_paths():
    paths = read("druid.zk.paths", ZkPathsConfig, base="druid1/")
    indexer = read("druid.zk.paths.indexer", IndexerZkConfig, base="/druid2", statusPath="/elsewhere").below(paths)
    assert paths.announcements_path == "/druid1/announcements"
    assert indexer.announcements_path == "/druid2/announcements"
    assert indexer.status_path == "/elsewhere"


def test_the_defaults_are_druids():
    config = read("druid.zk.service", CuratorConfig)
    assert (config.enabled, config.host, config.session_timeout_ms, config.connection_timeout_ms) == (
        True,
        "localhost",
        30_000,
        15_000,
    )
    assert (config.compress, config.acl, config.auth_scheme, config.credentials()) == (True, False, "digest", None)


@pytest.mark.parametrize("size", ["1023", "1048577"])
def test_node_sizes_have_druids_range(size):
    with pytest.raises(ConfigurationError, match="between 1024 and 1048576"):
        read("druid.announcer", BatchDataSegmentAnnouncerConfig, maxBytesPerNode=size)


@pytest.mark.parametrize(
    ("parent", "child", "path"), [("/", "a", "/a"), ("a", "b", "/a/b"), ("/a//", "/b/", "/a/b"), ("", "", "/")]
)
def test_making_paths(parent, child, path):
    assert make_path(parent, child) == path


@given(st.binary())
def test_what_was_compressed_comes_back(data):
    assert decompress(compress(data)) == data


@given(st.binary().filter(lambda data: not data.startswith(b"\x1f\x8b")))
def test_plain_data_are_read_as_they_are(data):
    assert decompress(data) == data


def test_broken_gzip_is_a_value_error():
    with pytest.raises(ValueError, match="broken gzip"):
        decompress(b"\x1f\x8b" + b"\x00" * 20)
