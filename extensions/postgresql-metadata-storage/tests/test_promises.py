from __future__ import annotations

import pytest
from tests.servers.postgresql import PASSWORD, USER

from nemeton.testkit.suites.metadata_store import MetadataStoreSuite
from nemeton_postgresql_metadata_storage.config import PostgreSqlConnectorConfig, PostgreSqlTablesConfig
from nemeton_postgresql_metadata_storage.dialect import PostgreSqlDialect


class TestPostgreSqlStore(MetadataStoreSuite):
    user = USER
    password = PASSWORD

    @pytest.fixture(autouse=True)
    def _server(self, postgresql):
        self.server = postgresql

    def make_dialect(self):
        return PostgreSqlDialect(PostgreSqlTablesConfig(), PostgreSqlConnectorConfig())

    def connect_uri(self, folder):
        return self.server.jdbc_url(self.server.create_database())
