"""What does the work of a compaction: ``compactionRunner``."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.batch.job import run_job, write_reports
from nemeton.indexing.batch.spec import IndexIngestionSpec, IndexIOConfig
from nemeton.indexing.batch.task import ParallelIndexSupervisorTask
from nemeton.indexing.compact.spec import compaction_tuning
from nemeton.indexing.input.druid import DruidInputSource
from nemeton.model import TaskStatus
from nemeton.plugins import extension_point, json_type
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.indexing.compact.task import CompactionTask
    from nemeton.ingest.schema import DataSchema
    from nemeton.spi.indexing import TaskToolbox

log = logging.getLogger(__name__)


@extension_point(hook="compaction_runners", name="compaction runner")
class CompactionRunner(ABC):
    """A way to do a compaction (Druid: ``CompactionRunner``); frozen attrs classes."""

    @abstractmethod
    def run(self, task: CompactionTask, schemas: Mapping[Interval, DataSchema], toolbox: TaskToolbox) -> TaskStatus:
        """Read each interval and write it with its schema; the task's status. Its reports are written, too."""


@json_type("native")
@frozen
class NativeCompactionRunner(CompactionRunner):
    """An ``index_parallel`` for each interval, one after the other, in the compaction's own process."""

    def run(self, task: CompactionTask, schemas: Mapping[Interval, DataSchema], toolbox: TaskToolbox) -> TaskStatus:
        """See :class:`CompactionRunner`. When one fails the others are tried all the same."""
        parts = [_part(task, interval, schema) for interval, schema in schemas.items()]
        failed, reports = 0, dict[str, Any]()
        for i, part in enumerate(parts):
            task.check_stopped()
            status, own = self._run_part(task, part, f"{task.id}_{i}", toolbox)
            failed += not status.is_success
            reports |= {f"{name}_{i}": report for name, report in own.items()}
        message = f"Ran [{len(parts)}] specs, [{len(parts) - failed}] succeeded, [{failed}] failed"
        log.info("%s", message)
        write_reports(toolbox, task.id, reports)
        return TaskStatus.failure(task.id, message) if failed else TaskStatus.success(task.id)

    def _run_part(
        self, task: CompactionTask, part: ParallelIndexSupervisorTask, base_name: str, toolbox: TaskToolbox
    ) -> tuple[TaskStatus, dict[str, Any]]:
        try:
            if not part.is_ready(toolbox.action_client):
                return TaskStatus.failure(task.id, "Its intervals are locked by another task"), {}
            return run_job(part.make_job(toolbox, task.check_stopped, base_name), part, toolbox)
        except Exception as e:
            log.exception("An interval cannot be compacted; trying the next")
            return TaskStatus.failure(task.id, str(e)), {}


def _part(task: CompactionTask, interval: Interval, schema: DataSchema) -> ParallelIndexSupervisorTask:
    """The ingestion of one interval, in the compaction's name: its locks are the compaction's."""
    io = task.io_config
    granularity = schema.granularity_spec
    if not io.allow_non_aligned_interval and granularity.segment_intervals([interval]) != [interval]:
        raise invalid_input(
            f"Interval[{interval}] to compact is not aligned with segmentGranularity"
            f"[{granularity.segment_granularity.to_json()}]"
        )
    source = DruidInputSource(data_source=task.data_source, interval=interval)
    return ParallelIndexSupervisorTask(
        id=task.id,
        group_id=task.group_id,
        resource=task.resource,
        spec=IndexIngestionSpec(
            data_schema=schema,
            io_config=IndexIOConfig(input_source=source, drop_existing=io.drop_existing),
            tuning_config=compaction_tuning(task.tuning_config),
        ),
        context={
            "storeCompactionState": True,
            **task.context,
            "appenderatorTrackingTaskId": task.id,
            "priority": task.priority,
        },
    )
