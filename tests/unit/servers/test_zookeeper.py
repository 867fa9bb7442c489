"""The ZooKeeper server for tests is started, frozen, killed and started again over its data."""

import pytest
from tests.servers.fixtures import running
from tests.servers.zookeeper import ZooKeeperServer


@pytest.fixture(scope="module")
def server():
    yield from running(ZooKeeperServer)


def test_it_answers(server):
    assert server.answers()
    assert "standalone" in server.ask("srvr")


def test_it_keeps_its_data_and_port_over_a_kill(server):
    from kazoo.client import KazooClient

    client = KazooClient(server.connect_string, timeout=5)
    client.start()
    try:
        client.create("/kept", b"data")
        server.kill()
        assert not server.answers()
        server.start()
        assert client.retry(client.get, "/kept")[0] == b"data"
    finally:
        client.stop()
        client.close()


def test_frozen_it_does_not_answer(server):
    server.freeze()
    try:
        with pytest.raises(OSError, match="timed out"):
            server.ask("ruok")
    finally:
        server.thaw()
    assert server.answers()
