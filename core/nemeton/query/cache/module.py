"""Binds the cache of a role."""

from __future__ import annotations

from nemeton.inject import Binder, Module
from nemeton.lifecycle import lifecycle_stop
from nemeton.query.cache.local import LocalCacheConfig
from nemeton.query.cache.segments import CachePopulatorStats
from nemeton.spi.cache import Cache


class CacheModule(Module):
    """For Brokers and Historicals. Empty until something is put: what is put, the role's own settings say."""

    def configure(self, binder: Binder) -> None:
        """``druid.cache.*``."""
        binder.bind_config("druid.cache", LocalCacheConfig)
        binder.bind_choice(Cache, "druid.cache.type", default="caffeine")
        binder.bind(CachePopulatorStats)
        binder.bind(CacheCloser)
        binder.manage_lifecycle(CacheCloser)


class CacheCloser:
    """Closes the cache when the role stops."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    @lifecycle_stop
    def stop(self) -> None:
        """Let go of what the cache holds."""
        self._cache.close()
