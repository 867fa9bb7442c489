"""Bindings of the shuffle."""

from __future__ import annotations

from nemeton.indexing.worker.config import WorkerConfig
from nemeton.indexing.worker.shuffle.manager import IntermediaryDataManager
from nemeton.indexing.worker.shuffle.metrics import ShuffleMetrics
from nemeton.indexing.worker.shuffle.resource import ShuffleResource
from nemeton.inject import Binder, Module
from nemeton.spi.http import Resource
from nemeton.spi.indexing import TaskConfig

TYPE_PROPERTY = "druid.processing.intermediaryData.storage.type"


class IntermediaryDataModule(Module):
    """Where partial segments go: in peons, which only add."""

    def configure(self, binder: Binder) -> None:
        """``druid.processing.intermediaryData.storage.type``: ``local`` or ``deepstore``."""
        binder.bind_config("druid.worker", WorkerConfig)
        binder.bind_config("druid.indexer.task", TaskConfig)
        binder.bind_choice(IntermediaryDataManager, TYPE_PROPERTY, default="local")


class ShuffleModule(Module):
    """A worker's part: serves what its peons have kept, and cleans up."""

    def configure(self, binder: Binder) -> None:
        """``druid.worker.intermediaryPartition*``."""
        binder.install(IntermediaryDataModule())
        binder.bind(ShuffleMetrics)
        binder.manage_lifecycle(IntermediaryDataManager)
        binder.bind_set(Resource).add(ShuffleResource)
