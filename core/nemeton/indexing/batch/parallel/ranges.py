"""The sub tasks of range partitioning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen

from nemeton.indexing.batch.parallel.messages import DimensionDistributionReport, interval_map
from nemeton.indexing.batch.parallel.partial import AnalysisTask, GenerateTask
from nemeton.indexing.batch.parallel.perfect import PerfectRollupTasks
from nemeton.indexing.batch.reports import SubTaskProgress
from nemeton.ingest.partition.buckets import PartitionBoundaries
from nemeton.json import wire
from nemeton.plugins import json_type
from nemeton.spi.indexing import TaskToolbox
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.indexing.batch.parallel.messages import SubTaskReport
    from nemeton.indexing.batch.partitions.base import Plan
    from nemeton.indexing.batch.spec import IndexIngestionSpec
    from nemeton.ingest.partition.quantiles import TupleSketch


@json_type("partial_dimension_distribution")
@frozen(kw_only=True, slots=False)
class PartialDimensionDistributionTask(AnalysisTask):
    """Sketches how the partition dimensions' values are distributed in its split, by interval."""

    def work(self, toolbox: TaskToolbox, progress: SubTaskProgress) -> DimensionDistributionReport:
        """See :class:`SubTask`."""
        sketches = self.analyse(toolbox, progress).sketches
        found = {interval: sketch.to_bytes() for interval, sketch in sketches.items()}
        return DimensionDistributionReport(task_id=self.id, distributions=found)


@frozen
class Boundaries:
    """The bounds between ranges by interval."""

    by_interval: dict[Interval, PartitionBoundaries]

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> Boundaries:
        """From its object."""
        return cls(interval_map(value, PartitionBoundaries.from_json))

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        return {str(interval): bounds.to_json() for interval, bounds in self.by_interval.items()}


@json_type("partial_range_index_generate")
@frozen(kw_only=True, slots=False)
class PartialRangeSegmentGenerateTask(GenerateTask):
    """Divides the rows of its split by ranges."""

    boundaries: Boundaries = field(metadata=wire("intervalToPartitions"))

    @property
    def plan(self) -> dict[Interval, PartitionBoundaries]:
        """See :class:`GenerateTask`."""
        return self.boundaries.by_interval

    def json_fields(self, json: Any) -> dict[str, Any]:
        """See :class:`SubTask`."""
        return {**super().json_fields(json), "intervalToPartitions": json.unstructure(self.boundaries)}


class RangeTasks(PerfectRollupTasks):
    """Distribution, then generation by range."""

    analysis_phase: ClassVar[str] = "partial dimension distribution"

    def needs_analysis(self, spec: IndexIngestionSpec) -> bool:
        """See :class:`PerfectRollupTasks`."""
        return True

    def analysis_task(self, spec: IndexIngestionSpec, **common: Any) -> PartialDimensionDistributionTask:
        """See :class:`PerfectRollupTasks`."""
        return PartialDimensionDistributionTask(spec=spec, **common)

    def sketches(self, found: Iterable[SubTaskReport]) -> Mapping[Interval, TupleSketch]:
        """See :class:`PerfectRollupTasks`."""
        from nemeton.ingest.partition.analysis import merge_distributions
        from nemeton.ingest.partition.quantiles import TupleSketch

        return merge_distributions(
            [
                {interval: TupleSketch.from_bytes(data) for interval, data in report.distributions.items()}
                for report in found
                if isinstance(report, DimensionDistributionReport)
            ]
        )

    def generate_task(
        self, spec: IndexIngestionSpec, plan: Plan | None, **common: Any
    ) -> PartialRangeSegmentGenerateTask:
        """See :class:`PerfectRollupTasks`."""
        return PartialRangeSegmentGenerateTask(spec=spec, boundaries=Boundaries(dict(plan or {})), **common)
