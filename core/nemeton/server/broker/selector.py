"""The servers that hold one segment, and which of them is asked."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection

from nemeton.model import DataSegment
from nemeton.rpc.server_inventory import DruidServer


class ServerSelector:
    """One segment and who serves it. Thread-safe.

    Historicals go before tasks, higher priorities before lower ones; among equals the server with the fewest running
    requests is taken, then chance decides.
    """

    def __init__(self, segment: DataSegment) -> None:
        self.segment = segment
        self._servers: dict[str, DruidServer] = {}
        self._lock = threading.Lock()

    def add(self, server: DruidServer, segment: DataSegment) -> None:
        """The server serves it; what a historical says of the segment is better than what a task says."""
        with self._lock:
            self._servers[server.name] = server
            if server.metadata.is_replicatable:
                self.segment = segment

    def remove(self, server: DruidServer) -> None:
        """The server serves it no more."""
        with self._lock:
            self._servers.pop(server.name, None)

    @property
    def is_empty(self) -> bool:
        """Whether nobody serves it."""
        return not self._servers

    @property
    def servers(self) -> list[DruidServer]:
        """All who serve it."""
        with self._lock:
            return list(self._servers.values())

    def pick(self, load: Callable[[str], int], excluded: Collection[str] = ()) -> DruidServer | None:
        """The server to ask; ``load`` gives the running requests of a server by name. None when there is none left."""
        candidates = [server for server in self.servers if server.name not in excluded]
        if not candidates:
            return None

        def rank(server: DruidServer) -> tuple[bool, int, int, float]:
            metadata = server.metadata
            return (not metadata.is_replicatable, -metadata.priority, load(server.name), random.random())

        return min(candidates, key=rank)
