"""Serves the metrics of a process for Prometheus to scrape."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from attrs import define
from prometheus_client import start_http_server

from nemeton_prometheus_emitter.metrics import Metrics

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer


@define
class _Served:
    metrics: Metrics
    server: WSGIServer
    users: int = 1


class Exporter:
    """One role's share of an HTTP server. Roles in one process that name the same port share server and metrics."""

    _by_port: dict[int, _Served] = {}  # noqa: RUF012 - the ports of the process
    _lock = threading.Lock()

    def __init__(self, port: int, metrics: Metrics) -> None:
        """Serve, on all interfaces; port 0 takes any free one.

        Raises OSError for a port that is in use, be it by a role of this process whose metrics have other labels.
        """
        with self._lock:
            served = self._by_port.get(port)
            if served is None:
                server, _ = start_http_server(port, registry=metrics.registry)
                served = _Served(metrics, server)
                self._by_port[server.server_port] = served
            elif served.metrics.is_like(metrics):
                served.users += 1
            else:
                raise OSError("another role of this process serves other metrics there")
        self.metrics = served.metrics
        self.port = served.server.server_port

    def close(self) -> None:
        """Stop serving, when no other role needs it."""
        with self._lock:
            served = self._by_port[self.port]
            served.users -= 1
            if served.users:
                return
            del self._by_port[self.port]
        served.server.shutdown()
        served.server.server_close()
