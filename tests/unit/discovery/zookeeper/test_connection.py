"""The session: what is waited for, what is known of it, and what listeners hear."""

from __future__ import annotations

import pytest
from kazoo.exceptions import KazooException, NoAuthError
from tests.servers.proxy import Proxy

from nemeton.common.errors import DruidException
from nemeton.config.passwords import DefaultPasswordProvider
from nemeton.discovery.zookeeper.connection import SessionListener
from nemeton.testkit.waiting import eventually


def test_nothing_is_connected_before_it_is_asked_for(zookeeper, connect):
    connection = connect(zookeeper)
    assert connection.session_id is None
    assert not connection.is_live()
    connection.client.create(connection.paths.base)
    assert connection.is_live()
    assert connection.is_own_session(connection.session_id)


def test_no_server_is_a_clear_error(connect, zookeeper):
    connection = connect(zookeeper, host="127.0.0.1:1", connection_timeout_ms=200)
    with pytest.raises(DruidException, match=r"ZooKeeper at \[127.0.0.1:1\] did not answer within 0.2 s"):
        connection.client  # noqa: B018


def test_a_disabled_zookeeper_is_a_clear_error(connect, zookeeper):
    with pytest.raises(DruidException, match="druid.zk.service.enabled is false"):
        connect(zookeeper, enabled=False).client  # noqa: B018


def test_the_session_is_as_long_as_the_server_grants(zookeeper, connect):
    assert connect(zookeeper, session_ms=100_000).client.granted_timeout_s == 60.0


def test_containers_are_made_with_their_parents(zookeeper, connect, base):
    client = connect(zookeeper).client
    client.ensure_container(f"{base}/a/b")
    client.ensure_container(f"{base}/a/b")
    client.create(f"{base}/a/b/child", ephemeral=True)
    client.delete(f"{base}/a/b/child")
    eventually(lambda: client.exists(base) is None, "the server's clearing them away")


def test_closed_it_says_so(zookeeper, connect):
    connection = connect(zookeeper)
    connection.client  # noqa: B018
    connection.stop()
    with pytest.raises(DruidException, match="is closed"):
        connection.client  # noqa: B018


def test_with_acl_only_their_maker_may_touch_nodes(zookeeper, connect, base, make_announcer):
    secret = {"acl": True, "user": "druid", "pwd": DefaultPasswordProvider("diurd")}
    owner = connect(zookeeper, **secret)
    owner.client.ensure_container(base)
    make_announcer(owner).announce(f"{base}/a/b", b"data")
    stranger = connect(zookeeper).client
    for path in (base, f"{base}/a", f"{base}/a/b"):
        with pytest.raises(NoAuthError):
            stranger.get(path)
    assert connect(zookeeper, **secret).client.get(f"{base}/a/b")[0] == b"data"


def test_calls_have_an_end_while_there_is_no_connection(connect, zookeeper):
    """kazoo by itself would wait for ever."""
    with Proxy(zookeeper.port) as network:
        connection = connect(zookeeper, session_ms=1000, host=network.connect_string)
        client = connection.client
        network.cut()
        eventually(lambda: not connection.is_live(), "noticing it")
        with pytest.raises(KazooException):
            client.get("/")


def test_listeners_may_fail_and_be_removed(connect, zookeeper, session_listener, caplog):
    class Failing(SessionListener):
        def suspended(self):
            raise RuntimeError("deaf")

    connection = connect(zookeeper)
    connection.client  # noqa: B018
    removed = type(session_listener)()
    for listener in (Failing(), removed, session_listener):
        connection.add_session_listener(listener)
    connection.remove_session_listener(removed)
    connection.client.drop_connection()
    eventually(lambda: session_listener.calls == ["suspended", "reconnected"], "hearing of both")
    assert removed.calls == []
    assert "deaf" in caplog.text
