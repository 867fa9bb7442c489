"""The built-in store passes the suite for metadata stores."""

from nemeton.metadata.sqlite import SqliteDialect
from nemeton.testkit.suites.metadata_store import MetadataStoreSuite


class TestSqliteStore(MetadataStoreSuite):
    def make_dialect(self):
        return SqliteDialect()

    def connect_uri(self, folder):
        return f"sqlite:///{folder}/metadata.db"
