"""Core's own task runner keeps the promises of the suite, with real peons."""

from __future__ import annotations

import pytest

from nemeton.common.clock import SystemClock
from nemeton.config import Properties
from nemeton.discovery.local import LocalDiscovery, LocalDiscoveryHub
from nemeton.http.client import HttpClient
from nemeton.indexing.worker.config import ForkingTaskRunnerConfig, WorkerConfig
from nemeton.indexing.worker.forking import ForkingTaskRunner
from nemeton.model import DruidNode
from nemeton.server.embedded import local_properties
from nemeton.spi.indexing import TaskConfig
from nemeton.storage.config import FileTaskLogsConfig
from nemeton.storage.task_logs import FileTaskLogs
from nemeton.testkit.suites.task_runner import TaskRunnerSuite


class TestForkingTaskRunner(TaskRunnerSuite):
    @pytest.fixture
    def new_runner(self, tmp_path, nemeton_extensions):
        clock = SystemClock()
        discovery = LocalDiscovery(LocalDiscoveryHub(), clock)
        yield ForkingTaskRunner(
            ForkingTaskRunnerConfig(),
            WorkerConfig(capacity=2),
            TaskConfig(base_task_dir=str(tmp_path / "tasks")),
            DruidNode("druid/overlord", "localhost", plaintext_port=1),
            Properties(local_properties(tmp_path / "data")),
            discovery.provider(),
            FileTaskLogs(FileTaskLogsConfig(directory=str(tmp_path / "logs"))),
            HttpClient(),
            nemeton_extensions().json,
            clock,
        )
        discovery.close()
