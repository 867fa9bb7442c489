"""The batch ingestion tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from attrs import frozen

from nemeton.indexing.batch.job import BatchJob, run_job, write_reports
from nemeton.indexing.batch.locks import lock_type_of, try_lock_all
from nemeton.indexing.batch.partition_locks import partitions_to_lock, try_lock_partitions
from nemeton.indexing.batch.spec import IndexIngestionSpec
from nemeton.indexing.batch.stoppable import StoppableTask
from nemeton.model import TaskStatus
from nemeton.plugins import json_type
from nemeton.spi.indexing import BATCH_PRIORITY, TaskActionClient, TaskToolbox


@frozen(kw_only=True, slots=False)
class BatchIndexTask(StoppableTask):
    """Reads an input source into segments of a data source (Druid: ``AbstractBatchIndexTask``).

    Where the spec gives intervals they are locked before the task runs; otherwise when the input has been read.
    """

    default_priority: ClassVar[int] = BATCH_PRIORITY
    publish_completes_task: ClassVar[bool] = True

    spec: IndexIngestionSpec

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "spec", self.spec.for_task(self.type))
        super().__attrs_post_init__()

    @property
    def data_source(self) -> str:
        """The data source that is written."""
        return self.spec.data_schema.data_source

    def is_ready(self, client: TaskActionClient) -> bool:
        """Lock the intervals of the spec, one lock for each stretch without a gap, or the partitions in them."""
        partitions = partitions_to_lock(client, self.context, self.spec)
        if partitions is not None:
            return try_lock_partitions(client, partitions)
        granularity = self.spec.data_schema.granularity_spec
        kind = lock_type_of(self.context, appends=self.spec.io_config.append_to_existing)
        limit = self.spec.tuning_config.max_allowed_lock_count
        return try_lock_all(client, granularity, kind, limit, list(granularity.intervals))

    def run(self, toolbox: TaskToolbox) -> TaskStatus:
        """Ingest. A failure is in the status and in the report."""
        status, reports = run_job(self.make_job(toolbox, self.check_stopped), self, toolbox)
        write_reports(toolbox, self.id, reports)
        return status

    def make_job(self, toolbox: TaskToolbox, check: Callable[[], None], base_name: str = "") -> BatchJob:
        """How the work is done: here, in this process.

        ``check`` raises when it is to end early; ``base_name``, by default the task's id, begins the names of sequences
        of segments, which must differ between jobs of one task.
        """
        from nemeton.indexing.batch.run import IngestionRun

        return IngestionRun(self, self.spec.bound(toolbox), toolbox, check, base_name)

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": self.type,
            "id": self.id,
            "groupId": self.group_id,
            "resource": json.unstructure(self.resource),
            "spec": json.unstructure(self.spec),
            "context": json.unstructure(self.context),
            "dataSource": self.data_source,
        }


@json_type("index")
@frozen(kw_only=True, slots=False)
class IndexTask(BatchIndexTask):
    """Druid's ``index``. Tasks that append to one data source share a group, and with that their locks."""

    def __attrs_post_init__(self) -> None:
        if self.spec.io_config.append_to_existing:
            object.__setattr__(self, "group_id", f"index_append_{self.spec.data_schema.data_source}")
        super().__attrs_post_init__()


@json_type("index_parallel")
@frozen(kw_only=True, slots=False)
class ParallelIndexSupervisorTask(BatchIndexTask):
    """Druid's ``index_parallel``: over sub tasks where the input can be split and several may run, else by itself."""

    def make_job(self, toolbox: TaskToolbox, check: Callable[[], None], base_name: str = "") -> BatchJob:
        """See :class:`BatchIndexTask`."""
        from nemeton.indexing.batch.parallel.supervisor import parallel_job

        spec = self.spec.bound(toolbox)
        return parallel_job(self, spec, toolbox, check, base_name) or super().make_job(toolbox, check, base_name)
