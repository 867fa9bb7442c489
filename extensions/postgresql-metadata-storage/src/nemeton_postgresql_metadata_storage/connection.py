"""A connection that does not wait for ever: a server that hangs counts as one that is gone."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")

_STEP_S = 0.1


class BoundedConnection(psycopg.Connection[Any]):
    """Closes itself, and raises OperationalError, when the server has not answered for ``socket_timeout_s`` seconds."""

    socket_timeout_s = 60.0

    def wait(self, gen: Generator[Any, Any, T], interval: float = _STEP_S, timeout: float | None = None) -> T:
        """See psycopg: run a generator that sends and receives, now with a bound."""
        more = {} if timeout is None else {"timeout": timeout}  # not known to older versions
        return super().wait(self._bounded(gen), interval, **more)

    def _bounded(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        give_up = time.monotonic() + self.socket_timeout_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > give_up:
                    self.close()
                    raise psycopg.OperationalError(
                        f"The server has not answered for {self.socket_timeout_s:g} s; the connection was closed"
                    )
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
