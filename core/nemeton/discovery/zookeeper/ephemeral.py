"""One ephemeral node in ZooKeeper: put it there, take it away. Imported late, with kazoo."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError

from nemeton.discovery.zookeeper.connection import ZooKeeper

_TRIES = 5


class Put(enum.Enum):
    """What came of an attempt to put a node."""

    DONE = enum.auto()
    FOREIGN = enum.auto()
    """Somebody else's node is there."""
    CONTESTED = enum.auto()
    """It changes faster than it can be put."""


def put(zookeeper: ZooKeeper, path: str, data: bytes, watch: Callable[[Any], None]) -> Put:
    """Make sure that this session has the node with these data; ``watch`` is called once when that may have changed.

    What an earlier session of this process left is replaced; what another session has is left alone. Raises kazoo's
    exceptions when there is no connection.
    """
    client = zookeeper.client
    for _ in range(_TRIES):
        try:
            found, stat = client.get(path, watch=watch)
            if stat.ephemeralOwner == client.session_id:
                if found != data:
                    client.set(path, data)
                return Put.DONE
            if not zookeeper.is_own_session(stat.ephemeralOwner):
                return Put.FOREIGN
            client.delete(path, version=stat.version)
        except NoNodeError:
            _create(client, path, data)
        except BadVersionError:
            continue
    return Put.CONTESTED


def _create(client: Any, path: str, data: bytes) -> None:
    try:
        client.create(path, data, ephemeral=True, makepath=True)
    except NodeExistsError:
        return


def remove(zookeeper: ZooKeeper, path: str) -> None:
    """Delete the node if it is this process's; raises kazoo's exceptions when there is no connection."""
    client = zookeeper.client
    try:
        stat = client.exists(path)
        if stat is not None and zookeeper.is_own_session(stat.ephemeralOwner):
            client.delete(path)
    except NoNodeError:
        return
