"""Partitioning by value over many workers: analyse, divide into partial segments, merge these, publish."""

from __future__ import annotations

import logging
import random
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import define, evolve, field

from nemeton.common.errors import DruidException
from nemeton.http.client import HttpClientError
from nemeton.indexing.batch import reports
from nemeton.indexing.batch.parallel.merge import PartialGenericSegmentMergeTask, PartialSegmentMergeIOConfig
from nemeton.indexing.batch.parallel.merge import PartialSegmentMergeIngestionSpec as MergeSpec
from nemeton.indexing.batch.parallel.messages import GeneratedPartitionsReport
from nemeton.indexing.batch.parallel.monitor import SubTaskSpec
from nemeton.indexing.batch.parallel.supervisor import ParallelJob, pushed_segments
from nemeton.model import BuildingShardSpec, DataSegment
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.indexing.batch.parallel.messages import SubTaskReport
    from nemeton.indexing.batch.partitions.base import Plan
    from nemeton.indexing.batch.spec import IndexIngestionSpec
    from nemeton.indexing.worker.shuffle.partitions import PartitionLocation
    from nemeton.spi.indexing import Task

log = logging.getLogger(__name__)


class PerfectRollupTasks(ABC):
    """The sub tasks of one kind of partitionsSpec."""

    #: the name of the phase that looks at all rows first
    analysis_phase: ClassVar[str]

    @abstractmethod
    def needs_analysis(self, spec: IndexIngestionSpec) -> bool:
        """Whether all rows have to be seen before they can be divided."""

    @abstractmethod
    def analysis_task(self, spec: IndexIngestionSpec, **common: Any) -> Task:
        """A sub task that looks at its split."""

    @abstractmethod
    def sketches(self, found: Iterable[SubTaskReport]) -> Mapping[Interval, Any]:
        """What those sub tasks have found out, put together; see `PartitionsSpec.plan`."""

    @abstractmethod
    def generate_task(self, spec: IndexIngestionSpec, plan: Plan | None, **common: Any) -> Task:
        """A sub task that divides its split into partial segments."""


@define
class PerfectRollupJob(ParallelJob):
    """The phases: (analysis,) partial segment generation, partial segment merge."""

    _locations: list[PartitionLocation] = field(init=False, factory=list)

    def push_segments(self) -> list[DataSegment]:
        """See :class:`ParallelJob`."""
        tasks = self.spec.tuning_config.partitions.tasks()
        spec, plan = self.spec, None
        if tasks.needs_analysis(spec):
            plan = self._analyse(tasks)
            if not plan:
                log.warning("There are no valid rows; all may have invalid timestamps or have been filtered out")
                return []
            spec = self._with_intervals(plan)
        try:
            self._generate(tasks, spec, plan)
            return self._merge(spec)
        finally:
            self._remove_partial_segments()

    def _analyse(self, tasks: PerfectRollupTasks) -> Plan:
        self.progress.state = reports.DETERMINE_PARTITIONS
        specs = self.split_specs(
            self.spec, lambda spec_id, attempt, own: tasks.analysis_task(own, **self.common_fields(spec_id, attempt))
        )
        phase = self.run_phase(tasks.analysis_phase, specs)
        return self.spec.tuning_config.partitions.plan(tasks.sketches(phase.reports.values()))

    def _with_intervals(self, plan: Plan) -> IndexIngestionSpec:
        """The spec for the next phases: its intervals are known now, and locked."""
        schema = self.spec.data_schema
        if schema.granularity_spec.intervals:
            return self.spec
        self.locks.lock(plan)
        granularity = schema.granularity_spec.with_intervals(sorted(plan))
        return evolve(self.spec, data_schema=evolve(schema, granularity_spec=granularity))

    def _generate(self, tasks: PerfectRollupTasks, spec: IndexIngestionSpec, plan: Plan | None) -> None:
        self.progress.state = reports.BUILD_SEGMENTS
        specs = self.split_specs(
            spec, lambda spec_id, attempt, own: tasks.generate_task(own, plan, **self.common_fields(spec_id, attempt))
        )
        phase = self.run_phase("partial segment generation", specs)
        self.progress.keep()
        self._locations = list(_locations(phase.reports))

    def _merge(self, spec: IndexIngestionSpec) -> list[DataSegment]:
        """Merge tasks with about as many buckets each; which goes where is left to chance, as sizes are not known."""
        by_bucket: dict[tuple[Interval, int], list[PartitionLocation]] = defaultdict(list)
        for location in self._locations:
            by_bucket[location.interval, location.bucket].append(location)
        buckets = list(by_bucket)
        random.shuffle(buckets)
        count = min(self.spec.tuning_config.total_num_merge_tasks, len(buckets))
        shares = [[location for bucket in buckets[i::count] for location in by_bucket[bucket]] for i in range(count)]
        specs = [self._merge_spec(i, spec, share) for i, share in enumerate(shares)]
        return pushed_segments(self.run_phase("partial segment merge", specs).reports.values())

    def _merge_spec(self, number: int, spec: IndexIngestionSpec, share: list[PartitionLocation]) -> SubTaskSpec:
        spec_id = f"{self.base_name}_{number}"
        own = MergeSpec(
            data_schema=spec.data_schema,
            io_config=PartialSegmentMergeIOConfig(partition_locations=share),
            tuning_config=spec.tuning_config,
        )
        return SubTaskSpec(
            id=spec_id,
            group_id=self.task.group_id,
            supervisor_task_id=self.task.id,
            context=self.task.context,
            input_split=share,
            make=lambda attempt: PartialGenericSegmentMergeTask(spec=own, **self.common_fields(spec_id, attempt)),
        )

    def _remove_partial_segments(self) -> None:
        """Nobody wants them any more. What cannot be removed now, workers remove later from their own disks."""
        places = {location.place: location for location in self._locations}
        for location in places.values():
            try:
                location.remove_all(self.toolbox, self.task.id)
            except (DruidException, HttpClientError, OSError) as e:
                log.warning("Partial segments cannot be removed from %s: %s", location.place, e)


def _locations(found: Mapping[str, SubTaskReport]) -> Iterable[PartitionLocation]:
    """Where all partial segments are; buckets that have rows are numbered, by interval."""
    stats = [
        (stat, task_id)
        for task_id, report in found.items()
        if isinstance(report, GeneratedPartitionsReport)
        for stat in report.partition_stats
    ]
    stats.sort(key=lambda pair: (pair[0].interval.start, pair[0].interval.end, pair[0].bucket, pair[1]))
    numbers: dict[Interval, dict[int, BuildingShardSpec]] = defaultdict(dict)
    for stat, task_id in stats:
        known = numbers[stat.interval]
        if stat.bucket not in known:
            known[stat.bucket] = stat.shard_spec.convert(len(known))
        yield stat.location(task_id, known[stat.bucket])
