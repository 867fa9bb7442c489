"""What the tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nemeton.common.clock import ManualClock
from nemeton.spi import MetricEvent
from nemeton_prometheus_emitter.config import PrometheusEmitterConfig


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now_ms=0)


@pytest.fixture
def json(nemeton_extensions: Callable[..., Any]) -> Any:
    return nemeton_extensions("prometheus-emitter").json


@pytest.fixture
def start(json: Any, clock: ManualClock) -> Iterator[Callable[..., Any]]:
    """Starts emitters; by default on a free port."""
    from nemeton_prometheus_emitter.emitter import PrometheusEmitter

    running = []

    def make(**options: Any) -> PrometheusEmitter:
        emitter = PrometheusEmitter(PrometheusEmitterConfig(**{"port": 0, **options}), json, clock)
        running.append(emitter)
        emitter.start()
        return emitter

    yield make
    for emitter in running:
        emitter.close()


@pytest.fixture
def metric() -> Callable[..., MetricEvent]:
    def make(name: str, value: float, **dimensions: Any) -> MetricEvent:
        return MetricEvent(0, "druid/broker", "localhost:8082", name, value, dimensions)

    return make


@pytest.fixture
def scrape() -> Callable[[Any], list[str]]:
    """What Prometheus sees: the lines that are not comments, without the times of creation."""

    def read(emitter: Any) -> list[str]:
        from urllib.request import urlopen

        with urlopen(f"http://127.0.0.1:{emitter.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return [line for line in lines if not line.startswith("#") and "_created" not in line]

    return read
