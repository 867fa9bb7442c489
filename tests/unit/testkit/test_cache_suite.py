"""nemeton's own caches pass the suite for caches."""

from __future__ import annotations

import pytest

from nemeton.common.clock import ManualClock
from nemeton.config import HumanReadableBytes
from nemeton.query.cache.local import LocalCache, LocalCacheConfig, NoopCache
from nemeton.testkit.suites.cache import CacheSuite


class TestLocalCache(CacheSuite):
    @pytest.fixture
    def cache(self):
        return LocalCache(LocalCacheConfig(size_in_bytes=HumanReadableBytes(100_000)), ManualClock())


class TestCacheThatEvictsOnClose(CacheSuite):
    @pytest.fixture
    def cache(self):
        config = LocalCacheConfig(size_in_bytes=HumanReadableBytes(100_000), evict_on_close=True)
        return LocalCache(config, ManualClock())


class TestTinyCache(CacheSuite):
    """Nothing fits: nothing is there, and nothing wrong is."""

    keeps = False

    @pytest.fixture
    def cache(self):
        return LocalCache(LocalCacheConfig(size_in_bytes=HumanReadableBytes(0)), ManualClock())


class TestNoopCache(CacheSuite):
    keeps = False

    @pytest.fixture
    def cache(self):
        return NoopCache()
