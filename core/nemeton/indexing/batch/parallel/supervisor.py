"""The supervisor task's job: phases of sub tasks, then one publish (Druid: ``ParallelIndexSupervisorTask``)."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from nemeton.common.errors import defensive
from nemeton.indexing.batch.job import BatchJob
from nemeton.indexing.batch.locks import IntervalLocks
from nemeton.indexing.batch.parallel.chat import SupervisorChatHandler
from nemeton.indexing.batch.parallel.messages import PushedSegmentsReport, SegmentAllocationRequest
from nemeton.indexing.batch.parallel.monitor import SubTaskSpec
from nemeton.indexing.batch.parallel.phases import Phase
from nemeton.indexing.batch.parallel.progress import ParallelProgress
from nemeton.indexing.batch.partition_locks import PartitionLocks
from nemeton.indexing.batch.publish import await_availability, publish, segments_to_publish
from nemeton.indexing.batch.splits import split_bounds

if TYPE_CHECKING:
    from nemeton.indexing.batch.spec import IndexIngestionSpec
    from nemeton.model import DataSegment
    from nemeton.spi.indexing import Task, TaskToolbox
    from nemeton.spi.ingest import InputSource
    from nemeton.spi.metadata import SegmentIdWithShardSpec

log = logging.getLogger(__name__)


@define
class ParallelJob(BatchJob):
    """Splits the input, has sub tasks do the work, and publishes what they pushed.

    ``base_name`` begins the ids of the pieces of work; they must differ between jobs that allocate for one task.
    """

    task: Task
    spec: IndexIngestionSpec
    toolbox: TaskToolbox
    check: Callable[[], None]
    base_name: str = ""
    phase: Phase | None = field(init=False, default=None)
    _progress: ParallelProgress = field(init=False)
    locks: IntervalLocks = field(init=False)
    partitions: PartitionLocks | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.base_name = self.base_name or self.task.id
        self._progress = ParallelProgress(job=self)
        self.locks = IntervalLocks.of_spec(self.spec, self.task, self.toolbox.action_client, self.check)

    @property
    def progress(self) -> ParallelProgress:
        """See :class:`BatchJob`."""
        return self._progress

    def chat_handler(self) -> SupervisorChatHandler:
        """See :class:`BatchJob`."""
        return SupervisorChatHandler(self)

    def run(self) -> None:
        """See :class:`BatchJob`."""
        self.partitions = PartitionLocks.take(self.toolbox.action_client, self.task, self.spec)
        pushed = self.push_segments()
        published = self._publish(pushed)
        self._progress.note_published(published)
        limit_ms = self.spec.tuning_config.await_segment_availability_timeout_millis
        await_availability(self.toolbox, self._progress, published, limit_ms, self.check)

    @abstractmethod
    def push_segments(self) -> list[DataSegment]:
        """Run the phases; the segments to publish, in deep storage."""

    def allocate(self, request: SegmentAllocationRequest) -> SegmentIdWithShardSpec:
        """A segment id for a sub task; only where segments are numbered here while they are built."""
        name = "none" if self.phase is None else self.phase.name
        raise defensive(f"No segment is allocated in phase [{name}]")

    def _publish(self, pushed: list[DataSegment]) -> list[DataSegment]:
        segments = segments_to_publish(pushed, self.spec, self.task, self.locks, self.toolbox)
        self.check()
        read = self.spec.io_config.input_source.segments_of(self.task.data_source)
        publish(self.toolbox.action_client, segments, self.locks.kind, self.partitions, read)
        return segments

    # ---- for the phases

    def run_phase(self, name: str, specs: list[SubTaskSpec]) -> Phase:
        """Run a phase to its end; raises when it fails."""
        phase = Phase(name, specs, self.spec.tuning_config, self.toolbox.overlord_client, self.check)
        self.phase = phase
        phase.run()
        return phase

    def split_specs(
        self, spec: IndexIngestionSpec, make: Callable[[str, int, IndexIngestionSpec], Task]
    ) -> list[SubTaskSpec]:
        """A piece of work per split of the input; ``make``: id of the piece, attempt, its own spec → sub task."""
        source = spec.io_config.input_source
        base = self.toolbox.json.unstructure(source)
        splits = source.splits(*split_bounds(spec.tuning_config.split_hint_spec or {}))
        return [self._split_spec(i, _with_source(spec, split), base, make) for i, split in enumerate(splits)]

    def _split_spec(
        self,
        number: int,
        own: IndexIngestionSpec,
        base: dict[str, Any],
        make: Callable[[str, int, IndexIngestionSpec], Task],
    ) -> SubTaskSpec:
        spec_id = f"{self.base_name}_{number}"
        split = self.toolbox.json.unstructure(own.io_config.input_source)
        return SubTaskSpec(
            id=spec_id,
            group_id=self.task.group_id,
            supervisor_task_id=self.task.id,
            context=self.task.context,
            input_split=_difference(split, base),
            make=lambda attempt: make(spec_id, attempt, own),
            ingestion_spec=own,
        )

    def common_fields(self, spec_id: str, attempt: int) -> dict[str, Any]:
        """What every sub task of this job is made with."""
        return {
            "group_id": self.task.group_id,
            "supervisor_task_id": self.task.id,
            "subtask_spec_id": spec_id,
            "num_attempts": attempt,
            "context": dict(self.task.context),
        }


def _with_source(spec: IndexIngestionSpec, source: InputSource) -> IndexIngestionSpec:
    return evolve(spec, io_config=evolve(spec.io_config, input_source=source))


def _difference(split: dict[str, Any], base: dict[str, Any]) -> Any:
    """What a split has that the whole has not: the files, the URIs, the segments."""
    own = {key: value for key, value in split.items() if value is not None and base.get(key) != value}
    return next(iter(own.values())) if len(own) == 1 else own


def pushed_segments(found: Iterable[Any]) -> list[DataSegment]:
    """The segments that sub tasks report as pushed."""
    return [segment for report in found if isinstance(report, PushedSegmentsReport) for segment in report.segments]


def parallel_job(
    task: Task, spec: IndexIngestionSpec, toolbox: TaskToolbox, check: Callable[[], None], base_name: str = ""
) -> ParallelJob | None:
    """The job over sub tasks; None where the task does the work itself.

    That is when the input cannot be split, or when only one sub task may run.
    """
    from nemeton.indexing.batch.parallel.perfect import PerfectRollupJob
    from nemeton.indexing.batch.parallel.single_phase import SinglePhaseJob

    if spec.tuning_config.max_num_concurrent_sub_tasks <= 1:
        log.info("maxNumConcurrentSubTasks is 1: the task does all of the work itself")
        return None
    if not spec.io_config.input_source.is_splittable:
        log.warning("The input source cannot be split: the task does all of the work itself")
        return None
    job = PerfectRollupJob if spec.tuning_config.partitions.by_value else SinglePhaseJob
    return job(task, spec, toolbox, check, base_name)
