"""An Overlord and a toolbox in memory, for running one batch task."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import define, field
from tests.unit.ingest.helpers import converter

from nemeton.common.clock import SystemClock
from nemeton.indexing.actions import (
    LockAcquireAction,
    LockListAction,
    LockTryAcquireAction,
    RetrieveSegmentsByIdAction,
    RetrieveUsedSegmentsAction,
    SegmentAllocateAction,
    SegmentTransactionalAppendAction,
    SegmentTransactionalInsertAction,
    SegmentTransactionalReplaceAction,
)
from nemeton.model import DataSegment, DruidNode, NumberedShardSpec, TaskLock, TaskStatus
from nemeton.spi.indexing import ChatHandler, Task, TaskConfig, TaskToolbox
from nemeton.spi.metadata import SegmentIdWithShardSpec, SegmentPublishResult
from nemeton.spi.storage import DataSegmentPusher
from nemeton.storage.local import LocalDataSegmentPuller

PUBLISHING = (
    SegmentTransactionalInsertAction,
    SegmentTransactionalAppendAction,
    SegmentTransactionalReplaceAction,
)
VERSION = "2026-01-01T00:00:00.000Z"


@define
class FakeOverlord:
    """Answers the actions of one task."""

    task: Task
    used: list[DataSegment] = field(factory=list)
    refuse_locks: bool = False
    refuse_publish: str | None = None
    locks: list[TaskLock] = field(factory=list)
    published: list[list[DataSegment]] = field(factory=list)
    actions: list[Any] = field(factory=list)
    allocated: int = 0

    def submit(self, action: Any) -> Any:
        self.actions.append(action)
        if isinstance(action, LockTryAcquireAction | LockAcquireAction):
            return None if self.refuse_locks else self._lock(action)
        if isinstance(action, LockListAction):
            return list(self.locks)
        if isinstance(action, RetrieveUsedSegmentsAction):
            return [s for s in self.used if any(s.interval.overlaps(i) for i in action.intervals)]
        if isinstance(action, RetrieveSegmentsByIdAction):
            return [s for s in self.used if str(s.id) in action.segment_ids]
        if isinstance(action, SegmentAllocateAction):
            self.allocated += 1
            interval = action.preferred_segment_granularity.bucket(action.timestamp)
            shard = NumberedShardSpec(self.allocated, 1)
            return SegmentIdWithShardSpec(action.data_source, interval, "v0", shard)
        assert isinstance(action, PUBLISHING)
        if self.refuse_publish is not None:
            return SegmentPublishResult.fail(self.refuse_publish)
        self.published.append(list(action.segments or ()))
        return SegmentPublishResult.ok(action.segments or ())

    def _lock(self, action: Any) -> TaskLock:
        lock = converter().structure(
            {
                "type": "EXCLUSIVE",
                "groupId": self.task.group_id,
                "dataSource": self.task.data_source,
                "interval": str(action.interval),
                "version": VERSION,
                "priority": 50,
                "revoked": False,
            },
            TaskLock,
        )
        self.locks.append(lock)
        return lock


@define
class FolderPusher(DataSegmentPusher):
    """Copies segments below a folder."""

    root: Path
    failure: Exception | None = None

    def push(self, directory: Path, segment: DataSegment, use_unique_path: bool = False) -> DataSegment:
        if self.failure is not None:
            raise self.failure
        target = self.root / self.storage_dir(segment)
        shutil.rmtree(target, ignore_errors=True)  # of two pushes of one segment the later wins
        shutil.copytree(directory, target)
        return segment.with_(load_spec={"type": "local", "path": str(target)})


@define
class Reports:
    """Keeps what is written."""

    written: dict[str, Any] = field(factory=dict)

    def write(self, task_id: str, reports: Mapping[str, Any]) -> None:
        self.written = dict(reports)


@define
class ChatHandlers:
    """Keeps what is registered."""

    handlers: dict[str, ChatHandler] = field(factory=dict)
    seen: list[ChatHandler] = field(factory=list)

    def register(self, task_id: str, handler: ChatHandler) -> None:
        self.handlers[task_id] = handler
        self.seen.append(handler)

    def unregister(self, task_id: str) -> None:
        self.handlers.pop(task_id, None)


class Bench:
    """Runs one task in a folder."""

    def __init__(self, spec: dict[str, Any], folder: Path, kind: str = "index_parallel", **overlord: Any) -> None:
        task = {"type": kind, "spec": spec} if "dataSchema" in spec else {"type": kind, **spec}
        self.task = converter().structure(task, Task)
        self.overlord = FakeOverlord(self.task, **overlord)
        self.reports = Reports()
        self.chat = ChatHandlers()
        self.pusher = FolderPusher(folder / "deep")
        self.work_dir = folder / "work"
        self.work_dir.mkdir()

    def toolbox(self) -> TaskToolbox:
        return TaskToolbox(
            task=self.task,
            config=TaskConfig(),
            node=DruidNode("druid/peon", "localhost", 8100),
            action_client=self.overlord,
            data_segment_pusher=self.pusher,
            data_segment_puller=LocalDataSegmentPuller(),
            data_segment_killer=None,  # type: ignore[arg-type]
            work_dir=self.work_dir,
            json=converter(),
            clock=SystemClock(),
            emitter=None,
            report_writer=self.reports,
            chat_handlers=self.chat,
        )

    def run(self) -> TaskStatus:
        assert self.task.is_ready(self.overlord)
        return self.task.run(self.toolbox())

    @property
    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = self.reports.written["ingestionStatsAndErrors"]["payload"]
        return payload

    @property
    def totals(self) -> dict[str, int]:
        totals: dict[str, int] = self.payload["rowStats"]["buildSegments"]
        return totals

    @property
    def segments(self) -> list[DataSegment]:
        """What was published, in the only publish."""
        assert len(self.overlord.published) == 1
        return sorted(self.overlord.published[0], key=lambda s: (s.interval.start, s.partition_num))
