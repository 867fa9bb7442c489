"""A segment cache over golden segments."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemeton.common.clock import ManualClock
from nemeton.common.units import HumanReadableBytes
from nemeton.dataserver.announcer import DataSegmentAnnouncer
from nemeton.dataserver.cache import SegmentCacheManager
from nemeton.dataserver.config import DruidProcessingConfig, SegmentLoaderConfig, StorageLocationConfig
from nemeton.dataserver.load_drop import SegmentLoadDropHandler
from nemeton.dataserver.processing import ProcessingPool
from nemeton.dataserver.segments import ReferenceCountedSegment, SegmentManager
from nemeton.json import Json
from nemeton.model import DataSegment
from nemeton.model.extension import shard_specs
from nemeton.plugins import TypeRegistry, load_extensions
from nemeton.server.builtin import BUILTIN_EXTENSIONS
from nemeton.storage.local import LocalDataSegmentPuller

GOLDEN = Path(__file__).parents[2] / "golden" / "segments"


@pytest.fixture
def json():
    registry = TypeRegistry()
    for item in shard_specs():
        registry.add("shard_specs", item)
    return Json(registry)


@pytest.fixture(scope="module")
def query_json():
    """What knows all of core's types."""
    return Json(load_extensions({"druid.extensions.loadList": "[]"}, BUILTIN_EXTENSIONS).registry)


@pytest.fixture
def pool():
    made = ProcessingPool(DruidProcessingConfig(num_threads=2))
    yield made
    made.stop()


@pytest.fixture
def golden(json):
    """The golden segments of a data source, with load specs that lead to their zips."""

    def read(data_source):
        return [
            json.loads(path.read_text().replace("${SEGMENT_DIR}", str(GOLDEN)), DataSegment)
            for path in sorted((GOLDEN / data_source).rglob("descriptor.json"))
        ]

    return read


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def make_cache(tmp_path, json):
    def make(*sizes, puller=None):
        locations = [
            StorageLocationConfig(path=str(tmp_path / f"cache{number}"), max_size=HumanReadableBytes(size))
            for number, size in enumerate(sizes or (10**9,))
        ]
        return SegmentCacheManager(SegmentLoaderConfig(locations=locations), puller or LocalDataSegmentPuller(), json)

    return make


@pytest.fixture
def serve(make_cache, golden):
    """The manager of the segments of some data sources, which it drops at the end."""
    manager = SegmentManager()

    def add(*data_sources):
        cache = make_cache()
        for name in data_sources:
            for segment in golden(name):
                manager.add(ReferenceCountedSegment(segment, cache.open(segment)))
        return manager

    yield add
    for segment in manager.all_segments():
        manager.drop(segment)


@pytest.fixture
def make_handler(make_cache, clock):
    made = []

    def make(cache=None, **config):
        handler = SegmentLoadDropHandler(
            SegmentLoaderConfig(num_loading_threads=2, **config),
            cache or make_cache(),
            SegmentManager(),
            DataSegmentAnnouncer(clock),
            clock,
        )
        made.append(handler)
        return handler

    yield make
    for handler in made:
        handler.stop()
