"""A kazoo client whose waits have an end, and that tells when the server last answered.

Imported late: kazoo is needed only where ZooKeeper is. (It has no types, hence the ignored ones.)
"""

from __future__ import annotations

import contextlib
import socket
import threading
import typing
from collections.abc import Callable
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError, NoNodeError, OperationTimeoutError, UnimplementedError
from kazoo.handlers.threading import AsyncResult, KazooTimeoutError, SequentialThreadingHandler
from kazoo.protocol.connection import ConnectionHandler
from kazoo.protocol.serialization import Connect, Create2
from kazoo.security import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE

from nemeton.common.clock import Clock

_MIN_CONNECT_S = 0.5
_TRIES_PER_SESSION = 4
_CONTAINER = 4  # ZooKeeper's CreateMode.CONTAINER
_RECONNECT = {"max_tries": -1, "delay": 0.1, "backoff": 2, "max_delay": 5.0}
_RETRY = {"max_tries": 3, "delay": 0.1, "backoff": 2, "max_delay": 1.0}


class _Result(AsyncResult):  # type: ignore[misc]
    """The answer to a request; waiting for it ends after the handler's bound with an `OperationTimeoutError`.

    kazoo's own waits for ever, also while there is no connection.
    """

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return super().get(block, self._handler.patience_s if timeout is None else timeout)
        except KazooTimeoutError:
            raise OperationTimeoutError("ZooKeeper did not answer in time") from None


class _Handler(SequentialThreadingHandler):  # type: ignore[misc]
    """kazoo's threads, with bounds on waits, and a hand on the connection's socket."""

    def __init__(self, patience_s: float, hosts: int) -> None:
        super().__init__()
        self.patience_s = patience_s
        # a server that takes connections and does not answer, as one that is starting may, must not use up the time in
        # which another try could have saved the session
        self.connect_within_s = max(_MIN_CONNECT_S, patience_s / hosts / _TRIES_PER_SESSION)
        self._socket: socket.socket | None = None

    def async_result(self) -> AsyncResult:
        return _Result(self)

    def create_connection(self, *args: Any, **options: Any) -> Any:
        options["timeout"] = min(options.get("timeout") or self.patience_s, self.connect_within_s)
        self._socket = super().create_connection(*args, **options)
        return self._socket

    def drop_connection(self) -> None:
        """Let kazoo lose the connection, so that it tries to get another one."""
        connection = self._socket
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(ConnectionHandler):  # type: ignore[misc]
    """kazoo's connection; tells of the session that the server grants, which kazoo keeps to itself."""

    on_session: Callable[[float, float], None]
    clock: Clock

    def _invoke(self, timeout: float, request: Any, xid: int | None = None) -> Any:
        if not isinstance(request, Connect):
            return super()._invoke(timeout, request, xid)
        asked_at = self.clock.monotonic()
        answer = super()._invoke(min(timeout, self.handler.connect_within_s), request, xid)
        if answer[0].time_out > 0:
            self.on_session(asked_at, answer[0].time_out / 1000)
        return answer


class _CreateContainer(Create2):  # type: ignore[misc]
    """The request that kazoo lacks: a node that goes by itself some time after its last child has gone."""

    type = 19


class CuratorClient(KazooClient):  # type: ignore[misc]
    """A client that reconnects for ever, with the requests that Druid uses of Curator and kazoo does not have.

    ``on_session`` is called with the time at which a session was asked for and the granted timeout, both in seconds,
    whenever a connection comes up.
    """

    def __init__(
        self,
        hosts: str,
        session_timeout_s: float,
        clock: Clock,
        on_session: Callable[[float, float], None],
        *,
        credentials: tuple[str, str] | None = None,
        acl: bool = False,
    ) -> None:
        super().__init__(
            hosts=hosts,
            timeout=session_timeout_s,
            handler=_Handler(session_timeout_s, max(1, len(hosts.split(",")))),
            auth_data=[credentials] if credentials else None,
            default_acl=CREATOR_ALL_ACL if acl else None,
            connection_retry=_RECONNECT,
            command_retry=_RETRY,
        )
        self._on_session = on_session
        self._connection = _Connection(self, self._conn_retry.copy(), logger=self.logger)
        self._connection.on_session = self._granted
        self._connection.clock = clock
        self.granted_timeout_s = session_timeout_s
        """What the server granted for the session; until the first connection what is asked for."""

    @property
    def session_id(self) -> int | None:
        """The session's id, also while the connection is down; None before the first one and after the last."""
        return typing.cast("int | None", self._session_id)

    @property
    def gave_up(self) -> bool:
        """Whether kazoo's loop has ended without being told to, so that the client has to be started again."""
        loop = self._connection._connection_routine
        return loop is not None and not loop.is_alive() and not self._stopped.is_set()

    def drop_connection(self) -> None:
        """Give the connection up, as if it had broken; the session goes on."""
        self.handler.drop_connection()

    def end(self, grace_s: float = 2.0) -> None:
        """End the session and free everything; a server that does not answer within the time is not waited for."""
        drop = threading.Timer(grace_s, self.drop_connection)
        drop.daemon = True
        drop.start()
        try:
            self.stop()
            self.close()
        finally:
            drop.cancel()

    def _granted(self, asked_at: float, timeout_s: float) -> None:
        self.granted_timeout_s = timeout_s
        self._on_session(asked_at, timeout_s)

    def ensure_container(self, path: str) -> None:
        """Make sure that the node is there, as a container; missing parents become containers too.

        Persistent nodes where the server is older than 3.5.3.
        """
        if path == "/" or self.exists(path):
            return
        for _ in range(3):  # a parent may be cleared away in between
            try:
                self._create_container(path)
            except NodeExistsError:
                return
            except NoNodeError:
                self.ensure_container(path.rpartition("/")[0] or "/")
            except UnimplementedError:
                self.ensure_path(path)
                return
            else:
                return
        raise NoNodeError(path)

    def _create_container(self, path: str) -> None:
        result = self.handler.async_result()
        full = self.chroot + path if self.chroot else path
        self._call(_CreateContainer(full, b"", self.default_acl or OPEN_ACL_UNSAFE, _CONTAINER), result)
        result.get()
