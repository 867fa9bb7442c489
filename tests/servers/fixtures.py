"""Servers that tests share: one each per session, started when a test first asks for it.

Whoever stops, kills or freezes a server makes one of its own instead, or puts it right before the test ends.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from tests.servers.hdfs import HdfsServer
from tests.servers.postgresql import PostgreSqlServer
from tests.servers.process import ServerMissingError, ServerProcess, skip_or_fail
from tests.servers.s3 import S3Server
from tests.servers.zookeeper import ZooKeeperServer

S = TypeVar("S", bound=ServerProcess)


def running(make: Callable[[], S]) -> Iterator[S]:
    """A server for as long as the fixture lives; without its programs the tests that want it are skipped, or fail."""
    try:
        server = make()
    except ServerMissingError as missing:
        skip_or_fail(missing)
    with server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSqlServer]:
    """A PostgreSQL server; take a database of your own with `create_database`."""
    yield from running(PostgreSqlServer)


@pytest.fixture(scope="session")
def zookeeper() -> Iterator[ZooKeeperServer]:
    """A ZooKeeper server; take a base path of your own (``druid.zk.paths.base``)."""
    yield from running(ZooKeeperServer)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A server that speaks S3; take a bucket of your own with `create_bucket`."""
    yield from running(S3Server)


@pytest.fixture(scope="session")
def hdfs() -> Iterator[HdfsServer]:
    """Hadoop's HDFS; take a folder of your own."""
    yield from running(HdfsServer)


@pytest.fixture(scope="session")
def metadata_database(postgresql: PostgreSqlServer) -> str:
    """The one database of the tests that only need a metadata store; they leave rows behind, see `empty_tables`."""
    return postgresql.create_database()
