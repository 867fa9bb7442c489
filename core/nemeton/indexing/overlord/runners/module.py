"""Bindings of the runners whose workers are other processes."""

from __future__ import annotations

from nemeton.indexing.overlord.runners.base import RunnerParts
from nemeton.indexing.overlord.runners.config import HttpRemoteTaskRunnerConfig, RemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.http_remote.resource import HttpRemoteTaskRunnerResource
from nemeton.indexing.overlord.runners.worker_client import WorkerClient
from nemeton.inject import Binder, Module
from nemeton.spi.http import Resource


class FleetRunnersModule(Module):
    """What ``remote`` and ``httpRemote`` need; nothing of it is made unless one of them is chosen."""

    def configure(self, binder: Binder) -> None:
        """``druid.indexer.runner.*``."""
        binder.bind_config("druid.indexer.runner", RemoteTaskRunnerConfig)
        binder.bind_config("druid.indexer.runner", HttpRemoteTaskRunnerConfig)
        binder.bind(WorkerClient)
        binder.bind(RunnerParts)
        binder.bind_set(Resource).add(HttpRemoteTaskRunnerResource)
