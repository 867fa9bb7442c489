"""The process-wide cache of decoded columns."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, ClassVar

DEFAULT_CACHE_BYTES = 256 * 1024 * 1024


class DecodedColumnCache:
    """Decoded arrays and dictionaries, bounded in bytes, least recently used out first. Thread-safe.

    A value that two threads want at the same time is decoded once: the second waits for the first. What is evicted
    while somebody still works with it stays alive until that work ends, so the bound is on what the cache itself holds.
    A value larger than the whole cache is decoded and handed out, but not kept.
    """

    _shared: ClassVar[DecodedColumnCache | None] = None
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._loading: dict[Hashable, threading.Lock] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    @classmethod
    def shared(cls) -> DecodedColumnCache:
        """Return the cache of this process, made at first use."""
        with cls._shared_lock:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    @property
    def max_bytes(self) -> int:
        """How much may be held; what was used longest ago goes first."""
        return self._max_bytes

    @property
    def size_bytes(self) -> int:
        """How much is held now."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def resize(self, max_bytes: int) -> None:
        """Change the bound; what does not fit any more leaves at once."""
        with self._lock:
            self._max_bytes = max_bytes
            self._evict()

    def get(self, key: Hashable, load: Callable[[], tuple[Any, int]]) -> Any:
        """Return the value of `key`; `load` decodes it when it is missing and returns it with its size in bytes."""
        value = self._lookup(key)
        if value is not None:
            return value
        with self._lock:
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            value = self._lookup(key)
            if value is None:
                try:
                    value, size = load()
                    self._store(key, value, size)
                finally:
                    with self._lock:
                        self._loading.pop(key, None)
        return value

    def _lookup(self, key: Hashable) -> Any:
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def _store(self, key: Hashable, value: Any, size: int) -> None:
        with self._lock:
            if size > self._max_bytes:
                return
            old = self._entries.pop(key, None)
            self._bytes += size - (old[1] if old else 0)
            self._entries[key] = (value, size)
            self._evict()

    def _evict(self) -> None:
        while self._bytes > self._max_bytes and self._entries:
            _, (_, size) = self._entries.popitem(last=False)
            self._bytes -= size

    def drop(self, owner: Hashable) -> None:
        """Forget everything whose key is a tuple that starts with `owner`: the segment is gone."""
        with self._lock:
            for key in [k for k in self._entries if isinstance(k, tuple) and k[0] == owner]:
                self._bytes -= self._entries.pop(key)[1]
