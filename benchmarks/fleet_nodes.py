"""The fleet's side of ZooKeeper: announcements, and tasks that are given as nodes (`remote`)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError, NoNodeError

from benchmarks.fleet import LOCATION_AFTER_S, SOME_ID, TASK_ID, Tally, announcement

if TYPE_CHECKING:
    from kazoo.interfaces import IAsyncResult

_SESSION_S = 30.0
_CATEGORY = "_default_worker_category"


class Announcements:
    """One session that announces all workers."""

    def __init__(self, zk: str, base: str) -> None:
        self._base = base
        self.client = KazooClient(hosts=zk, timeout=_SESSION_S)
        self.client.start(timeout=30)

    def announce(self, addresses: list[str], port: int, capacity: int, *, in_indexer: bool) -> None:
        """Make the nodes of all workers; return when they are there. ``in_indexer``: those that `remote` looks for."""
        self.client.ensure_path(f"{self._base}/internal-discovery/MIDDLE_MANAGER")
        self.client.ensure_path(f"{self._base}/indexer/announcements")
        waiting = []
        for address in addresses:
            path, record = f"{self._base}/internal-discovery/MIDDLE_MANAGER", _node(address, port, capacity)
            waiting.append(self._create(f"{path}/{address}:{port}", record))
            if in_indexer:
                path, record = f"{self._base}/indexer/announcements", _worker(address, port, capacity)
                waiting.append(self._create(f"{path}/{address}:{port}", record))
        for each in waiting:
            each.get(timeout=60)

    def _create(self, path: str, record: dict[str, Any]) -> IAsyncResult:
        return self.client.create_async(path, json.dumps(record).encode(), ephemeral=True)

    def close(self) -> None:
        """End the session, and with it all announcements."""
        self.client.stop()
        self.client.close()


def _node(address: str, port: int, capacity: int) -> dict[str, Any]:
    service = {"type": "workerNodeService", "ip": address, "capacity": capacity, "version": "0", "category": _CATEGORY}
    return {
        "druidNode": {
            "service": "druid/middleManager",
            "host": address,
            "bindOnHost": False,
            "plaintextPort": port,
            "port": -1,
            "tlsPort": -1,
            "enablePlaintextPort": True,
            "enableTlsPort": False,
        },
        "nodeType": "middleManager",
        "services": {"workerNodeService": service},
        "startTime": "2026-01-01T00:00:00.000Z",
    }


def _worker(address: str, port: int, capacity: int) -> dict[str, Any]:
    name = f"{address}:{port}"
    return {
        "scheme": "http", "host": name, "ip": address, "capacity": capacity, "version": "0", "category": _CATEGORY,
    }  # fmt: skip


class NodeWorkers:
    """Workers that take tasks from their nodes, in the order of writes that Druid's have."""

    def __init__(
        self, client: KazooClient, base: str, addresses: list[str], port: int, run_s: float, tally: Tally
    ) -> None:
        self._client = client
        self._tasks = f"{base}/indexer/tasks"
        self._statuses = f"{base}/indexer/status"
        self._addresses = addresses
        self._port = port
        self._run_s = run_s
        self._tally = tally
        self._loop = asyncio.get_running_loop()
        self._seen: set[str] = set()

    def start(self) -> None:
        """Make the workers' folders, and begin to watch them. Children are looked at on the event loop's thread."""
        made = []
        for path in (self._tasks, self._statuses):
            self._client.ensure_path(path)
            made += [self._client.create_async(f"{path}/{each}:{self._port}") for each in self._addresses]
        for each in made:
            try:
                each.get(timeout=60)
            except NodeExistsError:
                continue
        for address in self._addresses:
            self._look(address)

    def _on_loop(self, fn: Callable[..., Any], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(fn, *arguments)

    def _look(self, address: str) -> None:
        path = f"{self._tasks}/{address}:{self._port}"
        asked = self._client.get_children_async(path, watch=lambda event: self._on_loop(self._look, address))
        asked.rawlink(lambda result: self._on_loop(self._children, address, result))

    def _children(self, address: str, result: IAsyncResult) -> None:
        if not result.successful():
            return
        for name in result.get():
            if name not in self._seen and TASK_ID.fullmatch(name.encode()):
                self._seen.add(name)
                self._client.get_async(self._task_path(address, name)).rawlink(
                    lambda result, name=name: self._on_loop(self._take, address, name, result)
                )

    def _task_path(self, address: str, name: str) -> str:
        return f"{self._tasks}/{address}:{self._port}/{name}"

    def _take(self, address: str, name: str, result: IAsyncResult) -> None:
        if isinstance(result.exception, NoNodeError) or not self._tally.take(name.encode()):
            return
        path = f"{self._statuses}/{address}:{self._port}/{name}"
        self._client.create_async(path, _status("RUNNING", None, name))
        self._client.delete_async(self._task_path(address, name))
        self._loop.call_later(LOCATION_AFTER_S, self._client.set_async, path, _status("RUNNING", address, name))
        self._loop.call_later(LOCATION_AFTER_S + self._run_s, self._end, path, address, name)

    def _end(self, path: str, address: str, name: str) -> None:
        self._tally.end()
        self._client.set_async(path, _status("SUCCESS", address, name))


def _status(status: str, address: str | None, name: str) -> bytes:
    return json.dumps(announcement(status, address)).replace(SOME_ID, name).encode()
