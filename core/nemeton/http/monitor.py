"""How busy a role's server is."""

from __future__ import annotations

from nemeton.http.app import RoleApp
from nemeton.http.server import HttpServer
from nemeton.inject import Provider
from nemeton.plugins import json_type
from nemeton.spi.monitors import MetricSink, Monitor


@json_type("http", "JettyMonitor")
class HttpMonitor(Monitor):
    """Connections, threads and queue of the role's server under Druid's names, and how its requests were answered.

    It runs wherever an emitter does, as in Druid, but for peons, which have a server only when they need one. What
    Druid calls ready threads are those that could be had; nothing is reserved here.
    """

    not_in = ("peon",)

    def __init__(self, app: Provider[RoleApp], server: Provider[HttpServer]) -> None:
        """They are asked for when something is measured: a monitor that is left out must not make a server."""
        self._app = app
        self._server = server
        self._told: dict[str, int] = {}

    def monitor(self, metrics: MetricSink) -> None:
        """See `Monitor`."""
        app = self._app()
        metrics.emit_metric("jetty/numOpenConnections", self._server().open_connections)
        pool = app.pool.state()
        busy = min(pool.pending, pool.threads)
        metrics.emit_metric("jetty/threadPool/total", pool.threads)
        metrics.emit_metric("jetty/threadPool/idle", pool.threads - busy)
        metrics.emit_metric("jetty/threadPool/busy", busy)
        metrics.emit_metric("jetty/threadPool/ready", pool.max_threads)
        metrics.emit_metric("jetty/threadPool/utilized", busy)
        metrics.emit_metric("jetty/threadPool/utilizationRate", busy / pool.max_threads)
        metrics.emit_metric("jetty/threadPool/isLowOnThreads", int(pool.pending > pool.max_threads))
        metrics.emit_metric("jetty/threadPool/min", 0)  # they are made when they are needed
        metrics.emit_metric("jetty/threadPool/max", pool.max_threads)
        metrics.emit_metric("jetty/threadPool/queueSize", pool.pending - busy)
        for status, count in sorted(app.answered.items()):
            metrics.emit_metric("http/requests/count", count - self._told.get(status, 0), status=status)
            self._told[status] = count
