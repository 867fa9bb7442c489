"""``druid.lookup.*``."""

from __future__ import annotations

import os

from attrs import field, frozen, validators

from nemeton.common.errors import invalid_input
from nemeton.config.configurator import SHOWN_DEFAULT

DEFAULT_TIER = "__default"


def _half_of_the_processors() -> int:
    return max(1, (os.cpu_count() or 1) // 2)


@frozen(kw_only=True)
class LookupConfig:
    """``druid.lookup.*``: which tier's lookups a node loads, and how it comes by them when it starts.

    ``coordinator_retry_delay`` is in milliseconds, and added to the pause between two tries. Druid waits a minute; here
    a Coordinator that is away sends the lookups as soon as it sees the node, so that there is little to wait for.
    """

    lookup_tier: str | None = None
    lookup_tier_is_datasource: bool = False
    snapshot_working_dir: str = ""
    enable_lookup_sync_on_startup: bool = True
    num_lookup_loading_threads: int = field(
        factory=_half_of_the_processors,
        validator=validators.ge(1),
        metadata={SHOWN_DEFAULT: "half of the processors, at least 1"},
    )
    coordinator_fetch_retries: int = field(default=3, validator=validators.ge(1))
    coordinator_retry_delay: int = field(default=1_000, validator=validators.ge(0))
    lookup_start_retries: int = field(default=3, validator=validators.ge(1))

    def tier(self, data_source: str | None) -> str:
        """The tier of this node, whose task (if it has one) works on the data source. Raises for a contradiction."""
        if self.lookup_tier_is_datasource and self.lookup_tier is not None:
            raise invalid_input("Cannot specify both `lookupTier` and `lookupTierIsDatasource`")
        tier = data_source if self.lookup_tier_is_datasource else self.lookup_tier
        if tier == "":
            where = "bound value" if self.lookup_tier_is_datasource else "druid.lookup"
            raise invalid_input(f"Cannot have empty lookup tier from {where}")
        return DEFAULT_TIER if tier is None else tier
