"""Caches of query results: bytes by name, in this process or in a service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from nemeton.plugins import extension_point

if TYPE_CHECKING:
    from nemeton.spi.monitors import MetricSink


@frozen
class NamedKey:
    """What a value is filed under: bytes within a namespace, which is a segment's id, or one for whole results.

    A namespace is closed when its segment is gone (Druid's Cache.NamedKey).
    """

    namespace: str
    key: bytes

    def to_bytes(self) -> bytes:
        """One name for caches that have no namespaces; no two keys have the same."""
        space = self.namespace.encode()
        return len(space).to_bytes(4, "big") + space + self.key


@frozen
class CacheStats:
    """What happened since the start (``entries`` and ``size_in_bytes``: what is there now)."""

    hits: int = 0
    misses: int = 0
    entries: int = 0
    size_in_bytes: int = 0
    evictions: int = 0
    timeouts: int = 0
    errors: int = 0


@extension_point(hook="caches", name="cache", default="caffeine")
class Cache(ABC):
    """Where answers of segments and whole answers are kept (Druid's interface of the same name).

    Made by the injector, once per role. All methods are called by many threads at a time, must return soon, and raise
    nothing for a service that fails: what cannot be had is not there, and is counted.
    """

    @abstractmethod
    def get(self, key: NamedKey) -> bytes | None:
        """The value, None when there is none."""

    @abstractmethod
    def put(self, key: NamedKey, value: bytes) -> None:
        """Keep the value, or not: a cache may forget at any time."""

    def get_bulk(self, keys: Iterable[NamedKey]) -> Mapping[NamedKey, bytes]:
        """Those values that are there; override where many are faster had at once."""
        found = {key: self.get(key) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def close_namespace(self, namespace: str) -> None:  # noqa: B027 - optional
        """Nobody will ask for values of this namespace any more; they may be forgotten (Druid's close)."""

    @abstractmethod
    def stats(self) -> CacheStats:
        """What `CacheMonitor` tells."""

    def monitor(self, metrics: MetricSink) -> None:  # noqa: B027 - optional
        """Emit what else there is to tell."""

    def close(self) -> None:  # noqa: B027 - optional
        """Let go of connections; called once, when the role stops."""
