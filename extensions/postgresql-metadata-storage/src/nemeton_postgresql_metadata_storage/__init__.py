"""The extension ``postgresql-metadata-storage``: the metadata store in PostgreSQL, in Druid's own tables.

Loading it imports neither psycopg nor SQLAlchemy; that happens where ``druid.metadata.storage.type`` is ``postgresql``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.spi import hookimpl, lazy

if TYPE_CHECKING:
    from nemeton.plugins import LazyType
    from nemeton.spi import Module

NEMETON_API = ">=1.0,<2"


@hookimpl
def metadata_stores() -> list[type | LazyType]:
    """``druid.metadata.storage.type=postgresql``."""
    return [lazy("postgresql", "nemeton_postgresql_metadata_storage.dialect:PostgreSqlDialect")]


@hookimpl
def druid_modules() -> list[type[Module]]:
    """``druid.metadata.postgres.*``."""
    from nemeton_postgresql_metadata_storage.module import PostgreSqlMetadataStorageModule

    return [PostgreSqlMetadataStorageModule]
