"""A connection that does not wait for ever, nor more often than it has to."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

T = TypeVar("T")

_STEP_S = 0.1


class BoundedConnection(psycopg.Connection[Any]):
    """Closes itself, and raises OperationalError, when the server has not answered for ``socket_timeout_s`` seconds.

    BEGIN goes to the server together with the first statement of a transaction, if that has no parameters.
    """

    socket_timeout_s = 60.0
    _begun_here = False

    def begin_with(self, cursor: psycopg.Cursor[Any], statement: str, parameters: Any) -> bool:
        """Begin a transaction with a statement without parameters, if none is under way; whether that was done.

        psycopg would wait for the answer to BEGIN before it sends the statement, also in its pipeline mode. While the
        transaction lasts, psycopg takes the connection for one that begins none by itself. (Parameters would need the
        pipeline mode, which costs more time of the processor than the wait does where the server is near.)
        """
        if parameters or self.autocommit or self.info.transaction_status != TransactionStatus.IDLE:
            return False
        self.autocommit = self._begun_here = True
        try:
            cursor.execute(self._begin() + b"; " + statement.encode(), parameters)
            cursor.nextset()
        finally:
            self._after_transaction()
        return True

    def _begin(self) -> bytes:
        words = [b"BEGIN"]
        if self.isolation_level is not None:
            words.append(b"ISOLATION LEVEL " + self.isolation_level.name.replace("_", " ").encode())
        if self.read_only is not None:
            words.append(b"READ ONLY" if self.read_only else b"READ WRITE")
        return b" ".join(words)

    def commit(self) -> None:
        """See psycopg."""
        super().commit()
        self._after_transaction()

    def rollback(self) -> None:
        """See psycopg."""
        super().rollback()
        self._after_transaction()

    def _after_transaction(self) -> None:
        if self._begun_here and self.info.transaction_status == TransactionStatus.IDLE:
            self.autocommit = self._begun_here = False

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
