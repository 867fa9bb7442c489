"""The lookup kind ``cachedNamespace``."""

from __future__ import annotations

import uuid

from attrs import define, field, frozen

from nemeton.common.errors import illegal_state, invalid_input
from nemeton.query.lookups import MapLookup
from nemeton.spi import LookupContext, LookupExtractor, LookupExtractorFactory, json_type, wire
from nemeton_lookups_cached_global.cache import CacheScheduler, Entry
from nemeton_lookups_cached_global.namespaces import Cached, ExtractionNamespace


@define
class _Life:
    entry: Entry | None = None
    cached: Cached | None = None
    lookup: MapLookup | None = None


@json_type("cachedNamespace")
@frozen
class NamespaceLookupExtractorFactory(LookupExtractorFactory):
    """A map that is read whole, kept in memory, and read again as it changes (Druid's class of the same name).

    ``first_cache_timeout`` (milliseconds): how long the start waits for the first values, and fails without; 0: it does
    not wait, and until they are there queries fail.
    """

    extraction_namespace: ExtractionNamespace
    first_cache_timeout: int = 0
    injective: bool = False
    _id: str = field(factory=lambda: str(uuid.uuid4()), init=False, eq=False, metadata=wire(skip=True))
    _life: _Life = field(factory=_Life, init=False, eq=False, repr=False, metadata=wire(skip=True))

    def __attrs_post_init__(self) -> None:
        if self.first_cache_timeout < 0:
            raise invalid_input("firstCacheTimeout must not be negative")

    def start(self, context: LookupContext) -> bool:
        """See `LookupExtractorFactory`."""
        if self._life.entry is not None:
            return True
        scheduler: CacheScheduler = context.get(CacheScheduler)
        entry = scheduler.schedule(self.extraction_namespace, context)
        if self.first_cache_timeout > 0 and not entry.wait_for_first_try(self.first_cache_timeout / 1000):
            entry.close()
            return False
        self._life.entry = entry
        return True

    def close(self) -> None:
        """See `LookupExtractorFactory`."""
        entry, self._life.entry = self._life.entry, None
        if entry is not None:
            entry.close()

    @property
    def is_initialized(self) -> bool:
        """See `LookupExtractorFactory`."""
        entry = self._life.entry
        return entry is not None and entry.cached is not None

    def await_initialization(self) -> None:
        """See `LookupExtractorFactory`."""
        entry, seconds = self._life.entry, self.extraction_namespace.load_timeout_s
        if entry is not None and not entry.wait_until_loaded(seconds):
            raise TimeoutError(f"there were no values within {seconds:g} s")

    def get(self) -> LookupExtractor:
        """See `LookupExtractorFactory`."""
        life = self._life
        if life.entry is None:
            raise illegal_state(f"Factory [{self._shown}] not started")
        cached = life.entry.cached
        if cached is None:
            raise illegal_state(f"{self._shown}: CACHE_NOT_INITIALIZED, extractorID = {self._shown}")
        if life.cached is not cached or life.lookup is None:
            key = f"{self._id}:{cached.version}"
            life.lookup = MapLookup(cached.entries, is_one_to_one=self.injective, version=key)
            life.cached = cached
        return life.lookup

    @property
    def version(self) -> str | None:
        """See `LookupExtractorFactory`."""
        entry = self._life.entry
        return None if entry is None or entry.cached is None else entry.cached.version

    @property
    def _shown(self) -> str:
        return f"namespace-factory-{self.extraction_namespace.type_name}-{self._id}"
