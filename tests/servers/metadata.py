"""Metadata stores for tests, one kind beside the other."""

from tests.servers.postgresql import PASSWORD, USER, PostgreSqlServer

from nemeton.common.clock import Clock
from nemeton.config.passwords import DefaultPasswordProvider
from nemeton.metadata.config import MetadataStorageConnectorConfig, MetadataStorageTablesConfig
from nemeton.metadata.connector import MetadataStorageConnector


def sqlite_connector(file, clock: Clock) -> MetadataStorageConnector:
    """A store in a file; to be started and stopped."""
    from nemeton.metadata.sqlite import SqliteDialect

    config = MetadataStorageConnectorConfig(connect_uri=f"sqlite:///{file}")
    return MetadataStorageConnector(config, MetadataStorageTablesConfig(), SqliteDialect(), clock)


def postgresql_connector(
    server: PostgreSqlServer, database: str, clock: Clock, *, uri: str | None = None, **tables
) -> MetadataStorageConnector:
    """A store in a database of the server; to be started and stopped. `tables` are fields of its table config."""
    from nemeton_postgresql_metadata_storage.config import PostgreSqlConnectorConfig, PostgreSqlTablesConfig
    from nemeton_postgresql_metadata_storage.dialect import PostgreSqlDialect

    config = MetadataStorageConnectorConfig(
        connect_uri=uri or server.jdbc_url(database), user=USER, password=DefaultPasswordProvider(PASSWORD)
    )
    dialect = PostgreSqlDialect(PostgreSqlTablesConfig(**tables), PostgreSqlConnectorConfig())
    return MetadataStorageConnector(config, MetadataStorageTablesConfig(), dialect, clock)


def empty_tables(connector: MetadataStorageConnector) -> None:
    """Delete all rows: much quicker than a database of its own for each test."""
    with connector.engine.begin() as connection:
        for table in connector.tables.meta.sorted_tables:
            connection.execute(table.delete())
