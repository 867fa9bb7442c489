"""A segment cache over golden segments."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemeton.common.clock import ManualClock
from nemeton.common.units import HumanReadableBytes
from nemeton.dataserver.announcer import DataSegmentAnnouncer
from nemeton.dataserver.cache import SegmentCacheManager
from nemeton.dataserver.config import SegmentLoaderConfig, StorageLocationConfig
from nemeton.dataserver.load_drop import SegmentLoadDropHandler
from nemeton.dataserver.segments import SegmentManager
from nemeton.json import Json
from nemeton.model import DataSegment
from nemeton.model.extension import shard_specs
from nemeton.plugins import TypeRegistry
from nemeton.storage.local import LocalDataSegmentPuller

GOLDEN = Path(__file__).parents[2] / "golden" / "segments"


@pytest.fixture
def json():
    registry = TypeRegistry()
    for item in shard_specs():
        registry.add("shard_specs", item)
    return Json(registry)


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
