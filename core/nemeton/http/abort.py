"""Ends an exchange of the blocking client from another thread."""

from __future__ import annotations

import contextlib
import socket
import threading


class Abort:
    """Given to `HttpClient.request`, it cuts the connection of that exchange: nobody waits for the server any more.

    It may be given to several exchanges, which then end together. Thread-safe. An exchange whose answer has been read
    is left alone: its connection may serve another one by then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._aborted = False

    def abort(self) -> None:
        """Cut the connections; what is sent later is cut at once. Who reads gets an `HttpClientError`."""
        with self._lock:
            self._aborted = True
            for each in self._sockets:
                _cut(each)

    def hold(self, connected: socket.socket) -> None:
        """An exchange goes over this connection."""
        with self._lock:
            self._sockets.append(connected)
            if self._aborted:
                _cut(connected)

    def let_go(self, connected: socket.socket) -> None:
        """The exchange over it has ended."""
        with self._lock:
            if connected in self._sockets:
                self._sockets.remove(connected)


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # TLS' own way would change what the reading thread is using
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
