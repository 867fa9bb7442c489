"""Bindings of deep storage and task logs."""

from __future__ import annotations

from nemeton.inject import Binder, Module
from nemeton.spi.storage import (
    DataSegmentArchiver,
    DataSegmentKiller,
    DataSegmentMover,
    DataSegmentPuller,
    DataSegmentPusher,
    DeepStorage,
    TaskLogs,
)
from nemeton.storage.config import FileTaskLogsConfig, LocalStorageConfig
from nemeton.storage.omni import (
    DeepStorages,
    OmniDataSegmentArchiver,
    OmniDataSegmentKiller,
    OmniDataSegmentMover,
    OmniDataSegmentPuller,
)


class StorageModule(Module):
    """`DataSegmentPusher` to the configured storage; the other parts for the segments of all storages."""

    def configure(self, binder: Binder) -> None:
        """``druid.storage.*`` and ``druid.indexer.logs.*``; all but the pusher go by the load spec's type."""
        binder.bind_config("druid.storage", LocalStorageConfig)
        binder.bind_config("druid.indexer.logs", FileTaskLogsConfig)
        binder.bind_choice(DeepStorage, "druid.storage.type", default="local")
        binder.bind_choice(TaskLogs, "druid.indexer.logs.type", default="file")
        binder.bind(DeepStorages)
        binder.bind(DataSegmentPusher, provider=_pusher)
        binder.bind(DataSegmentPuller, to=OmniDataSegmentPuller)
        binder.bind(DataSegmentKiller, to=OmniDataSegmentKiller)
        binder.bind(DataSegmentMover, to=OmniDataSegmentMover)
        binder.bind(DataSegmentArchiver, to=OmniDataSegmentArchiver)


def _pusher(storage: DeepStorage) -> DataSegmentPusher:
    return storage.pusher
