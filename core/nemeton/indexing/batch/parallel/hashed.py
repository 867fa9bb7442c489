"""The sub tasks of hash partitioning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen

from nemeton.indexing.batch.parallel.messages import DimensionCardinalityReport, interval_map
from nemeton.indexing.batch.parallel.partial import AnalysisTask, GenerateTask
from nemeton.indexing.batch.parallel.perfect import PerfectRollupTasks
from nemeton.indexing.batch.reports import SubTaskProgress
from nemeton.json import wire
from nemeton.plugins import json_type
from nemeton.spi.indexing import TaskToolbox
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.indexing.batch.parallel.messages import SubTaskReport
    from nemeton.indexing.batch.partitions.base import Plan
    from nemeton.indexing.batch.spec import IndexIngestionSpec
    from nemeton.ingest.partition.cardinality import CardinalitySketch


@json_type("partial_dimension_cardinality")
@frozen(kw_only=True, slots=False)
class PartialDimensionCardinalityTask(AnalysisTask):
    """Estimates the number of distinct rows of its split, by interval."""

    def work(self, toolbox: TaskToolbox, progress: SubTaskProgress) -> DimensionCardinalityReport:
        """See :class:`SubTask`."""
        sketches = self.analyse(toolbox, progress).sketches
        found = {interval: sketch.to_bytes() for interval, sketch in sketches.items()}
        return DimensionCardinalityReport(task_id=self.id, cardinalities=found)


@frozen
class BucketCounts:
    """The number of buckets by interval."""

    by_interval: dict[Interval, int]

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> BucketCounts:
        """From its object."""
        return cls(interval_map(value, int))

    def to_json(self, json: Any = None) -> dict[str, int]:
        """As Druid writes it."""
        return {str(interval): count for interval, count in self.by_interval.items()}


@json_type("partial_index_generate")
@frozen(kw_only=True, slots=False)
class PartialHashSegmentGenerateTask(GenerateTask):
    """Divides the rows of its split by their hash."""

    counts: BucketCounts | None = field(default=None, metadata=wire("intervalToNumShardsOverride"))

    @property
    def plan(self) -> dict[Interval, int] | None:
        """See :class:`GenerateTask`."""
        return None if self.counts is None else self.counts.by_interval

    def json_fields(self, json: Any) -> dict[str, Any]:
        """See :class:`SubTask`."""
        return {**super().json_fields(json), "intervalToNumShardsOverride": json.unstructure(self.counts)}


class HashedTasks(PerfectRollupTasks):
    """Cardinality (where the number of buckets or the intervals are not known), then generation by hash."""

    analysis_phase: ClassVar[str] = "partial dimension cardinality"

    def needs_analysis(self, spec: IndexIngestionSpec) -> bool:
        """See :class:`PerfectRollupTasks`."""
        has_intervals = bool(spec.data_schema.granularity_spec.intervals)
        return not has_intervals or spec.tuning_config.partitions.needs_analysis(spec.data_schema)

    def analysis_task(self, spec: IndexIngestionSpec, **common: Any) -> PartialDimensionCardinalityTask:
        """See :class:`PerfectRollupTasks`."""
        return PartialDimensionCardinalityTask(spec=spec, **common)

    def sketches(self, found: Iterable[SubTaskReport]) -> Mapping[Interval, CardinalitySketch]:
        """See :class:`PerfectRollupTasks`."""
        from nemeton.ingest.partition.analysis import merge_cardinalities
        from nemeton.ingest.partition.cardinality import CardinalitySketch

        return merge_cardinalities(
            [
                {interval: CardinalitySketch.from_bytes(data) for interval, data in report.cardinalities.items()}
                for report in found
                if isinstance(report, DimensionCardinalityReport)
            ]
        )

    def generate_task(
        self, spec: IndexIngestionSpec, plan: Plan | None, **common: Any
    ) -> PartialHashSegmentGenerateTask:
        """See :class:`PerfectRollupTasks`."""
        counts = None if plan is None else BucketCounts(dict(plan))
        return PartialHashSegmentGenerateTask(spec=spec, counts=counts, **common)
