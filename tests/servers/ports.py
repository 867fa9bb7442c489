"""Ports for servers in tests: below those that the kernel gives to clients, and none for two processes of tests.

A client that asks a server that is down could otherwise be connected to itself, and a port that a client holds for a
moment would be taken for another server's. The gap in the middle is for the real Druid's fixed ports (tests/interop).
"""

import fcntl
import os
import tempfile
from pathlib import Path

from nemeton.indexing.worker.ports import is_free

_BLOCK = 40
_DERBY = frozenset(1527 + offset for offset in range(9_000, 16_000, 500))
"""Where the real Druid, at one of the offsets of tests/interop, has its own metadata store."""
_BLOCKS = tuple(
    first
    for first in (*range(10_000, 17_400, _BLOCK), *range(25_200, 32_000, _BLOCK))
    if not _DERBY & {*range(first, first + _BLOCK)}
)
_ROUTER_SHIFT = 8888 - 8081
"""How far Druid's Router is from the lowest port of the other roles, which lie in a row of ten."""

_mine: set[int] = set()
_singles: list[int] = []


def free_ports(count: int) -> int:
    """The first of `count` (at most 40) free ports in a row, which are this process's until it ends."""
    for first in _blocks():
        if _reserve(first, range(first, first + count)):
            return first
    raise RuntimeError("no free ports")


def free_port() -> int:
    """One free port, another one with each call."""
    if not _singles:
        first = free_ports(_BLOCK)
        _singles.extend(range(first + _BLOCK - 1, first - 1, -1))
    return _singles.pop()


def free_router_port() -> int:
    """A port that is free together with those that the other roles take beside it."""
    for lowest in _blocks():
        router = lowest + _ROUTER_SHIFT
        block = router - router % _BLOCK
        if block in _BLOCKS and _reserve(lowest, range(lowest, lowest + 10)) and _reserve(block, [router]):
            return router
    raise RuntimeError("no free ports")


def _blocks() -> list[int]:
    """All blocks, from one on that is likely no other process's first."""
    start = os.getpid() * 37 % len(_BLOCKS)
    return [*_BLOCKS[start:], *_BLOCKS[:start]]


def _reserve(block: int, ports: range | list[int]) -> bool:
    """Whether the block is now this process's, by a lock that ends with it, and all these ports of it are free."""
    if block in _mine or not _lock(block):
        return False
    _mine.add(block)
    return all(map(is_free, ports))


def _lock(block: int) -> bool:
    folder = Path(tempfile.gettempdir(), "nemeton-test-ports")
    folder.mkdir(exist_ok=True)
    file = os.open(folder / str(block), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return False
    return True  # open until the process ends, and with it the lock
