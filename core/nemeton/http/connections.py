"""Pooled connections whose exchanges can be aborted; imported late, as urllib3 is heavy."""

from __future__ import annotations

import contextvars
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from nemeton.http.abort import Abort

#: Of the exchange that this thread begins.
abort_of_exchange: contextvars.ContextVar[Abort | None] = contextvars.ContextVar("abort_of_exchange", default=None)


class _Abortable:
    """A connection that knows who may cut it."""

    sock: Any
    _held: tuple[Abort, Any] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send the request; from then on the exchange may be aborted."""
        super().request(*args, **kwargs)  # type: ignore[misc]  # it is mixed into connections
        abort = abort_of_exchange.get()
        if abort is not None and self.sock is not None:
            self._held = abort, self.sock
            abort.hold(self.sock)

    def let_go(self) -> None:
        """The exchange is over."""
        held, self._held = self._held, None
        if held is not None:
            abort, connected = held
            abort.let_go(connected)

    def close(self) -> None:
        """Nobody is to cut what is closed: another socket may get its number."""
        self.let_go()
        super().close()  # type: ignore[misc]


class _HttpConnection(_Abortable, HTTPConnection):
    pass


class _HttpsConnection(_Abortable, HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.let_go()
        super()._put_conn(conn)


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.let_go()
        super()._put_conn(conn)


def pool_manager(num_pools: int, maxsize: int) -> urllib3.PoolManager:
    """A manager of such connections, at most so many kept open for each host."""
    manager = urllib3.PoolManager(num_pools=num_pools, maxsize=maxsize, block=False)
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager
