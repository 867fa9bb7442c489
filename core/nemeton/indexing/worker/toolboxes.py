"""Toolboxes for tasks, from the injector of the process that they run in (Druid: ``TaskToolboxFactory``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from nemeton.common.clock import Clock
from nemeton.common.files import write_atomically
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.worker.task_dirs import TaskDir
from nemeton.inject import Injector
from nemeton.json import Json
from nemeton.model import DruidNode
from nemeton.rpc.coordinator import CoordinatorClient
from nemeton.rpc.overlord import OverlordClient
from nemeton.spi.indexing import (
    ChatHandlerProvider,
    Task,
    TaskActionClient,
    TaskConfig,
    TaskReportWriter,
    TaskToolbox,
)
from nemeton.spi.storage import DataSegmentKiller, DataSegmentPuller, DataSegmentPusher


class FileReportWriter(TaskReportWriter):
    """Writes ``report.json`` of one attempt."""

    def __init__(self, file: Path, json: Json) -> None:
        self._file = file
        self._json = json

    def write(self, task_id: str, reports: Mapping[str, Any]) -> None:
        """See :class:`TaskReportWriter`."""
        write_atomically(self._file, self._json.dumps(dict(reports)))


@frozen
class TaskToolboxFactory:
    """Makes toolboxes. Deep storage and clients connect when they are first used."""

    injector: Injector
    config: TaskConfig
    properties: Mapping[str, str]

    def make(
        self,
        task: Task,
        directory: TaskDir,
        attempt: int,
        action_client: TaskActionClient,
        chat_handlers: ChatHandlerProvider,
        *,
        executor: DruidNode | None,
        ingestion_memory_bytes: int = 0,
    ) -> TaskToolbox:
        """A toolbox for one run of the task on the worker ``executor``; makes the folders that it names."""
        get = self.injector.get
        directory.work_dir.mkdir(exist_ok=True)
        attempt_dir = directory.attempt_dir(attempt)
        attempt_dir.mkdir(parents=True, exist_ok=True)
        json = get(Json)
        return TaskToolbox(
            task=task,
            config=self.config,
            node=get(DruidNode),
            action_client=action_client,
            data_segment_pusher=get(DataSegmentPusher),  # type: ignore[type-abstract]
            data_segment_puller=get(DataSegmentPuller),  # type: ignore[type-abstract]
            data_segment_killer=get(DataSegmentKiller),  # type: ignore[type-abstract]
            work_dir=directory.work_dir,
            json=json,
            clock=get(Clock),  # type: ignore[type-abstract]
            emitter=get(ServiceEmitter),
            report_writer=FileReportWriter(attempt_dir / "report.json", json),
            chat_handlers=chat_handlers,
            overlord_client=get(OverlordClient),
            coordinator_client=get(CoordinatorClient),
            attempt=attempt,
            properties=self.properties,
            injector=self.injector,
            task_executor_node=executor,
            ingestion_memory_bytes=ingestion_memory_bytes,
        )
