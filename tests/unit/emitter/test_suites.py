"""Core's own monitors and emitters keep what the suites for extensions promise."""

from __future__ import annotations

import json
import logging

import pytest
from tests.unit.emitter.receiver import Receiver

from nemeton.common.clock import SystemClock
from nemeton.emitter.http_config import HttpEmitterConfig, HttpEmittingConfig, ParametrizedUriEmitterConfig
from nemeton.emitter.http_emitter import HttpPostEmitter
from nemeton.emitter.logging_emitter import LoggingEmitter, LoggingEmitterConfig
from nemeton.emitter.monitors.heartbeat import ServiceStatusMonitor
from nemeton.emitter.monitors.process import ProcessMonitor
from nemeton.emitter.monitors.system import SystemMonitor, SystemMonitorConfig
from nemeton.emitter.parametrized import ParametrizedUriEmitter
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.spi.emitter import Emitter
from nemeton.spi.monitors import Monitor
from nemeton.testkit.suites.emitter import EmitterSuite
from nemeton.testkit.suites.monitor import MonitorSuite


class TestProcess(MonitorSuite):
    @pytest.fixture
    def monitor(self) -> Monitor:
        return ProcessMonitor(SystemClock())


class TestSystem(MonitorSuite):
    @pytest.fixture
    def monitor(self) -> Monitor:
        return SystemMonitor(SystemMonitorConfig(), SystemClock())


class TestHeartbeat(MonitorSuite):
    @pytest.fixture
    def monitor(self) -> Monitor:
        return ServiceStatusMonitor([])


@pytest.fixture
def converter():
    loaded = load_extensions({"druid.extensions.loadList": "[]"}, ("nemeton.emitter.extension",))
    return Json(loaded.registry)


class TestLogging(EmitterSuite):
    @pytest.fixture
    def emitter(self, converter, caplog) -> Emitter:
        config = LoggingEmitterConfig()
        caplog.set_level(logging.INFO, logger=config.logger_class)
        return LoggingEmitter(config, converter)

    @pytest.fixture
    def received(self, caplog):
        return lambda: [json.loads(message) for message in caplog.messages]


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


class TestHttp(EmitterSuite):
    @pytest.fixture
    def emitter(self, converter, receiver) -> Emitter:
        config = HttpEmitterConfig(recipient_base_url=receiver.url)
        return HttpPostEmitter(config, converter, SystemClock())

    @pytest.fixture
    def received(self, receiver):
        return lambda: [event for body in receiver.taken for event in json.loads(body)]


class TestParametrized(EmitterSuite):
    @pytest.fixture
    def emitter(self, converter, receiver) -> Emitter:
        # one URL, since order is kept by URL
        config = ParametrizedUriEmitterConfig(f"{receiver.url}/events", HttpEmittingConfig())
        return ParametrizedUriEmitter(config, converter, SystemClock())

    @pytest.fixture
    def received(self, receiver):
        return lambda: [event for body in receiver.taken for event in json.loads(body)]
