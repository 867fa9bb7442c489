"""The extension ``fair-share-select-strategy``: spreads the tasks of each data source over the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.spi import hookimpl, lazy

if TYPE_CHECKING:
    from nemeton.plugins import LazyType

NEMETON_API = ">=1.0,<2"


@hookimpl
def worker_select_strategies() -> list[type | LazyType]:
    """``{"type": "fairShare"}``."""
    return [lazy("fairShare", "nemeton_fair_share_select_strategy.strategy:FairShareWorkerSelectStrategy")]
