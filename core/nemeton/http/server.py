"""One role's HTTP server: uvicorn on the process's shared event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import logging
import socket
import time
from collections.abc import Iterable
from typing import Any

from nemeton.common.errors import DruidException
from nemeton.http.app import RoleApp
from nemeton.http.loop import EventLoopThread
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.model import DruidNode

log = logging.getLogger(__name__)

_START_TIMEOUT_S = 10.0
_PORT_PROPERTY = "druid.plaintextPort"
_ANY_ADDRESS = "0.0.0.0"


class HttpServer:
    """Listens on a role's port and serves its application.

    Start and stop belong to the lifecycle's SERVER stage, and are for other threads than the event loop's.
    """

    def __init__(
        self,
        app: RoleApp,
        loop: EventLoopThread,
        *,
        host: str = "localhost",
        port: int = 0,
        bind_host: str | None = None,
        name: str = "http",
        port_property: str = _PORT_PROPERTY,
    ) -> None:
        self.app = app
        self.name = name
        self._loop = loop
        self._host = host
        self._bind_host = bind_host
        self._port = port
        self._port_property = port_property
        self._socket: socket.socket | None = None
        self._server: Any = None
        self._served: concurrent.futures.Future[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; 0 in the configuration becomes the one that the system gave."""
        return self._port

    @property
    def open_connections(self) -> int:
        """How many connections clients have open now."""
        return len(self._server.server_state.connections) if self._server is not None else 0

    def bind(self) -> None:
        """Take the port, without answering yet; so that all roles of a process can have theirs before any starts.

        Raises a DruidException that names the port and its property when it cannot be had.
        """
        if self._socket is not None:
            return
        address = self._bind_host or _ANY_ADDRESS
        try:
            self._socket = _listen(address, self._port)
        except OSError as failure:
            raise _cannot_listen(self.name, address, self._port, self._port_property, failure) from failure
        self._port = self._socket.getsockname()[1]

    @lifecycle_start
    def start(self) -> None:
        """Begin to answer requests."""
        self.bind()
        assert self._socket is not None
        self._server = _make_server(self.app)
        self._served = self._loop.submit(self._server.serve(sockets=[self._socket]))
        self._loop.run(self._until_started(), _START_TIMEOUT_S)
        log.info("%s listens on http://%s:%d", self.name, self._host, self._port)

    async def _until_started(self) -> None:
        while not self._server.started:
            if self._served is not None and self._served.done():
                self._served.result()
                raise RuntimeError(f"The server of {self.name} ended while it started")
            await asyncio.sleep(0.002)

    @lifecycle_stop
    def stop(self) -> None:
        """Take no more connections, let running requests end within ``gracefulShutdownTimeout``, then cut them off."""
        grace_s = self.app.config.graceful_shutdown_timeout.to_seconds()
        if self._server is not None and self._served is not None:
            # callers that have not heard of the unannouncement yet still find a server
            time.sleep(self.app.config.unannounce_propagation_delay.to_seconds())
            self._loop.loop.call_soon_threadsafe(self.app.end_long_polls)
            self._server.should_exit = True
            try:
                self._served.result(grace_s + 2.0)
            except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
                log.warning("The server of %s did not stop in time", self.name)
                self._served.cancel()
            self._server = self._served = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.app.pool.close()


def require_free_ports(nodes: Iterable[DruidNode]) -> None:
    """Raise the error that `HttpServer.bind` would, before anything of a process has started."""
    for node in nodes:
        address = node.host if node.bind_on_host else _ANY_ADDRESS
        try:
            _listen(address, node.plaintext_port).close()
        except OSError as failure:
            raise _cannot_listen(node.service_name, address, node.plaintext_port, _PORT_PROPERTY, failure) from failure


def _cannot_listen(name: str, address: str, port: int, port_property: str, failure: OSError) -> DruidException:
    reason = {
        errno.EADDRINUSE: "another process uses it already; stop that one, or choose another port",
        errno.EACCES: "this user may not listen on it; ports below 1024 need privileges",
        errno.EADDRNOTAVAIL: f"[{address}] is no address of this machine; see druid.host and druid.bindOnHost",
    }.get(failure.errno or 0, str(failure))
    return DruidException(
        f"{name} cannot listen on port {port} ({port_property}): {reason}",
        error_code="portUnavailable",
        persona="OPERATOR",
        category="RUNTIME_FAILURE",
    )


def _listen(address: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(address, port, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM)
    family, _, _, _, target = next((f for f in found if f[0] == socket.AF_INET), found[0])
    # asyncio turns Nagle's algorithm off only for sockets that say they are TCP; with it, answers wait for 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        # a bound socket that does not listen shares its port with others that do the same
        listener.listen(2048)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _make_server(app: RoleApp) -> Any:
    import uvicorn

    from nemeton.http.protocol import BoundedHttpProtocol

    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=int(app.config.max_idle_time.to_seconds()),
        timeout_graceful_shutdown=max(1, round(app.config.graceful_shutdown_timeout.to_seconds())),
        h11_max_incomplete_event_size=app.config.max_request_header_size,
        backlog=2048,
        ws="none",
        http=BoundedHttpProtocol,
    )
    return uvicorn.Server(config)
