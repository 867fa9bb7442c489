"""``druid.historical.cache.*`` and ``druid.broker.cache.*``."""

from __future__ import annotations

from attrs import field, frozen

UNBOUNDED = 2**31 - 1


@frozen(kw_only=True)
class CacheConfig:
    """What is asked of the cache and what is put into it. All is off by default, as in Druid.

    ``un_cacheable``: query types that are left out; ``max_entry_size``: bytes that an entry may have.
    """

    use_cache: bool = False
    populate_cache: bool = False
    un_cacheable: list[str] = field(factory=lambda: ["scan"])
    max_entry_size: int = 1_000_000


@frozen(kw_only=True)
class HistoricalCacheConfig(CacheConfig):
    """``druid.historical.cache.*``."""


@frozen(kw_only=True)
class BrokerCacheConfig(CacheConfig):
    """``druid.broker.cache.*``: also whole answers, of at most ``result_level_cache_limit`` bytes.

    ``cache_bulk_merge_limit``: for how many segments of a query the cache is asked.
    """

    use_result_level_cache: bool = False
    populate_result_level_cache: bool = False
    result_level_cache_limit: int = UNBOUNDED
    cache_bulk_merge_limit: int = UNBOUNDED
