"""The extension ``druid-lookups-cached-global``: lookups of the kind ``cachedNamespace``, from files and databases.

Loading it imports neither SQLAlchemy nor a driver; that happens where a lookup of that kind is started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.spi import hookimpl, lazy

if TYPE_CHECKING:
    from nemeton.plugins import LazyType
    from nemeton.spi import Module

NEMETON_API = ">=1.0,<2"


@hookimpl
def lookups() -> list[type | LazyType]:
    """``cachedNamespace``."""
    return [lazy("cachedNamespace", "nemeton_lookups_cached_global.factory:NamespaceLookupExtractorFactory")]


@hookimpl
def druid_modules() -> list[type[Module]]:
    """``druid.lookup.namespace.*`` and ``druid.access.jdbc.*``."""
    from nemeton_lookups_cached_global.module import NamespaceExtractionModule

    return [NamespaceExtractionModule]
