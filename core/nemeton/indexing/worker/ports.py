"""Ports for peons: the lowest free one first, from a configured range (Druid: ``PortFinder``)."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterable, Sequence

from nemeton.common.errors import capacity_exceeded


class PortFinder:
    """Hands out ports that nobody here holds and nobody else listens on. Thread-safe."""

    def __init__(self, start: int, end: int, candidates: Sequence[int] = ()) -> None:
        self._start = start
        self._end = end
        self._candidates = tuple(candidates)
        self._taken: set[int] = set()
        self._lock = threading.Lock()

    def take(self) -> int:
        """Return a port; raises ``capacityExceeded`` when all are in use."""
        ports: Iterable[int] = self._candidates or itertools.chain(range(self._start, self._end + 1))
        with self._lock:
            for port in ports:
                if port not in self._taken and is_free(port):
                    self._taken.add(port)
                    return port
        raise capacity_exceeded(f"No free port for a task from druid.indexer.runner.startPort[{self._start}] on")

    def give_back(self, port: int) -> None:
        """Let the port be handed out again."""
        with self._lock:
            self._taken.discard(port)


def is_free(port: int) -> bool:
    """Whether nobody listens on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
