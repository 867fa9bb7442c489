"""The extension ``druid-multi-stage-query``: so far only the Overlord's ``DurableStorageCleaner``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.spi import hookimpl, lazy

if TYPE_CHECKING:
    from nemeton.plugins import LazyType
    from nemeton.spi import Module

NEMETON_API = ">=1.0,<2"


@hookimpl
def overlord_duties() -> list[type | LazyType]:
    """The cleaner of durable storage."""
    return [lazy("durableStorageCleaner", "nemeton_msq.cleaner:DurableStorageCleaner")]


@hookimpl
def druid_modules() -> list[type[Module]]:
    """``druid.msq.intermediate.storage.*``."""
    from nemeton_msq.module import DurableStorageModule

    return [DurableStorageModule]
