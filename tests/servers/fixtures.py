"""Servers that tests share: one each per session, started when a test first asks for it.

Whoever stops, kills or freezes a server makes one of its own instead, or puts it right before the test ends.
"""

from collections.abc import Iterator

import pytest
from tests.servers.postgresql import PostgreSqlServer
from tests.servers.process import ServerMissingError, skip_or_fail

from tests.servers.zookeeper import ZooKeeperServer

from tests.servers.s3 import S3Server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSqlServer]:
    """A PostgreSQL server; take a database of your own with `create_database`."""
    try:
        server = PostgreSqlServer()
    except ServerMissingError as missing:
        skip_or_fail(missing)
    with server:
        yield server


@pytest.fixture(scope="session")

def zookeeper() -> Iterator[ZooKeeperServer]:
    """A ZooKeeper server; take a base path of your own (``druid.zk.paths.base``)."""
    try:
        server = ZooKeeperServer()

def s3() -> Iterator[S3Server]:
    """A server that speaks S3; take a bucket of your own with `create_bucket`."""
    try:
        server = S3Server()

    except ServerMissingError as missing:
        skip_or_fail(missing)
    with server:
        yield server
