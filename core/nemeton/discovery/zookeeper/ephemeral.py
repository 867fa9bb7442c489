"""One ephemeral node in ZooKeeper: put it there, take it away. Imported late, with kazoo."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError

from nemeton.discovery.zookeeper.client import CuratorClient
from nemeton.discovery.zookeeper.connection import ZooKeeper

_TRIES = 5


class Put(enum.Enum):
    """What came of an attempt to put a node."""

    DONE = enum.auto()
    FOREIGN = enum.auto()
    """Somebody else's node is there."""
    CONTESTED = enum.auto()
    """It changes faster than it can be put."""


def put(zookeeper: ZooKeeper, path: str, data: bytes, watch: Callable[[Any], None], *, container: bool = False) -> Put:
    """Make sure that this session has the node with these data; ``watch`` is called once when that may have changed.

    Missing parents are made, as containers if wanted. What an earlier session of this process left is replaced; what
    another session has is left alone. Raises kazoo's exceptions when there is no connection.
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
            _create(client, path, data, container)
        except BadVersionError:
            continue
    return Put.CONTESTED


def _create(client: CuratorClient, path: str, data: bytes, container: bool) -> None:
    try:
        client.create(path, data, ephemeral=True)
    except NodeExistsError:
        return
    except NoNodeError:
        parent = path.rpartition("/")[0]
        if container:
            client.ensure_container(parent)
        else:
            client.ensure_path(parent)


def remove(zookeeper: ZooKeeper, path: str) -> None:
    """Delete the node if it is this process's; raises kazoo's exceptions when there is no connection."""
    client = zookeeper.client
    try:
        stat = client.exists(path)
        if stat is not None and zookeeper.is_own_session(stat.ephemeralOwner):
            client.delete(path)
    except NoNodeError:
        return
