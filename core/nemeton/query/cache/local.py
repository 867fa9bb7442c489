"""Caches in this process: the least recently used values go first."""

from __future__ import annotations

import threading
from collections import OrderedDict

from attrs import define, field, frozen

from nemeton.common.clock import Clock
from nemeton.config import HumanReadableBytes
from nemeton.config.configurator import SHOWN_DEFAULT
from nemeton.plugins import json_type
from nemeton.spi.cache import Cache, CacheStats, NamedKey

_ENTRY_OVERHEAD = 200
"""About what Python needs for an entry besides its bytes."""
_GIB = 1024**3


def default_size() -> HumanReadableBytes:
    """Druid's rule, with the machine's memory in place of Java's heap."""
    import psutil

    return HumanReadableBytes(min(_GIB, psutil.virtual_memory().total // 10))


@frozen(kw_only=True)
class LocalCacheConfig:
    """``druid.cache.*`` of the kinds ``local`` and ``caffeine``. ``expire_after`` in milliseconds, below 0: never."""

    size_in_bytes: HumanReadableBytes = field(
        factory=default_size, metadata={SHOWN_DEFAULT: "the smaller of 1 GiB and a tenth of the memory"}
    )
    expire_after: int = -1
    evict_on_close: bool = False


@define
class _Counts:
    hits: int = 0
    misses: int = 0
    evictions: int = 0


@json_type("local", "caffeine")
class LocalCache(Cache):
    """At most ``sizeInBytes``, keys and overhead counted. Stands for Druid's ``local`` and ``caffeine`` both."""

    def __init__(self, config: LocalCacheConfig, clock: Clock) -> None:
        self._most = int(config.size_in_bytes)
        self._expire_after = config.expire_after
        self._evict_on_close = config.evict_on_close
        self._clock = clock
        self._values: OrderedDict[NamedKey, tuple[bytes, int]] = OrderedDict()
        self._size = 0
        self._counts = _Counts()
        self._lock = threading.Lock()

    def get(self, key: NamedKey) -> bytes | None:
        """See `Cache`."""
        with self._lock:
            found = self._values.get(key)
            if found is not None and self._is_old(found[1]):
                self._remove(key)
                self._counts.evictions += 1
                found = None
            if found is None:
                self._counts.misses += 1
                return None
            self._counts.hits += 1
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: NamedKey, value: bytes) -> None:
        """See `Cache`; what is larger than the whole cache is not kept."""
        size = _size(key, value)
        with self._lock:
            self._remove(key)
            if size > self._most:
                return
            self._values[key] = (value, self._clock.now())
            self._size += size
            while self._size > self._most:
                self._remove(next(iter(self._values)))
                self._counts.evictions += 1

    def close_namespace(self, namespace: str) -> None:
        """See `Cache`; with ``evictOnClose`` alone, else the values go when they are the oldest."""
        if not self._evict_on_close:
            return
        with self._lock:
            for key in [key for key in self._values if key.namespace == namespace]:
                self._remove(key)

    def stats(self) -> CacheStats:
        """See `Cache`."""
        with self._lock:
            counts = self._counts
            return CacheStats(counts.hits, counts.misses, len(self._values), self._size, counts.evictions)

    def _is_old(self, since: int) -> bool:
        return self._expire_after >= 0 and self._clock.now() - since >= self._expire_after

    def _remove(self, key: NamedKey) -> None:
        found = self._values.pop(key, None)
        if found is not None:
            self._size -= _size(key, found[0])


@json_type("noop", "none")
class NoopCache(Cache):
    """Keeps nothing."""

    def get(self, key: NamedKey) -> bytes | None:
        """Nothing."""
        return None

    def put(self, key: NamedKey, value: bytes) -> None:
        """Forget it."""

    def stats(self) -> CacheStats:
        """Zeros."""
        return CacheStats()


def _size(key: NamedKey, value: bytes) -> int:
    return len(key.namespace) + len(key.key) + len(value) + _ENTRY_OVERHEAD
