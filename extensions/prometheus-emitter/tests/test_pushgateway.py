from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


class Gateway:
    """A Pushgateway that writes down what it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str]] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                requests.append((self.command, self.path, body))
                self.send_response(202)
                self.end_headers()

            do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

            def log_message(self, *_args: object) -> None:
                """Silent."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_the_last_state_is_pushed_at_the_end(gateway, start, metric, scheme):
    emitter = start(strategy=_pushing(), push_gateway_address=scheme + gateway.address)
    emitter.emit(metric("query/count", 1))
    emitter.emit(metric("query/count", 1, task="index_1"))
    emitter.close()
    ((method, path, body),) = gateway.requests
    assert (method, path) == ("PUT", "/metrics/job/druid/druid/index_1")
    assert "druid_query_count_total 2.0" in body


def test_the_group_is_deleted_where_asked(gateway, start, metric):
    emitter = start(
        strategy=_pushing(), push_gateway_address=gateway.address, delete_push_gateway_metrics_on_shutdown=True
    )
    emitter.emit(metric("query/count", 1))
    emitter.close()
    assert [(method, path) for method, path, _ in gateway.requests] == [
        ("PUT", "/metrics/job/druid/druid/localhost%3A8082"),
        ("DELETE", "/metrics/job/druid/druid/localhost%3A8082"),
    ]


def test_it_pushes_every_period(gateway, json, metric):
    from nemeton.common.clock import SystemClock
    from nemeton_prometheus_emitter.config import PrometheusEmitterConfig
    from nemeton_prometheus_emitter.metrics import Metrics
    from nemeton_prometheus_emitter.pushgateway import Pushing

    clock = SystemClock()
    pushing = Pushing(gateway.address, "druid", Metrics(PrometheusEmitterConfig(), {}, clock), 0.01, clock)
    pushing.identify("me")
    deadline = clock.monotonic() + 10
    while len(gateway.requests) < 2 and clock.monotonic() < deadline:
        threading.Event().wait(0.01)
    pushing.close()
    assert len(gateway.requests) >= 2


def test_a_gateway_that_is_down_is_logged(start, metric, caplog):
    emitter = start(strategy=_pushing(), push_gateway_address="127.0.0.1:1")
    emitter.emit(metric("query/count", 1))
    emitter.close()
    assert "Metrics cannot be pushed to [127.0.0.1:1]" in caplog.text


def _pushing():
    from nemeton_prometheus_emitter.config import Strategy

    return Strategy.PUSHGATEWAY
