"""Binds the extension's properties."""

from __future__ import annotations

from nemeton.spi import Binder, Module
from nemeton_postgresql_metadata_storage.config import (
    PREFIX,
    SSL_PREFIX,
    PostgreSqlConnectorConfig,
    PostgreSqlTablesConfig,
)


class PostgreSqlMetadataStorageModule(Module):
    """``druid.metadata.postgres.*``, in all roles."""

    def configure(self, binder: Binder) -> None:
        """The settings; the dialect itself is chosen by ``druid.metadata.storage.type``."""
        binder.bind_config(PREFIX, PostgreSqlTablesConfig)
        binder.bind_config(SSL_PREFIX, PostgreSqlConnectorConfig)
