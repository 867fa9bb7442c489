"""What a topN is ordered by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import extension_point, json_type
from nemeton.query.model.comparators import comparator_name

if TYPE_CHECKING:
    from nemeton.json import Json


def _numeric(value: Any) -> Any:
    return {"type": "numeric", "metric": value} if isinstance(value, str) else value


@extension_point(hook="topn_metric_specs", name="topN metric spec", default="numeric", shorthand=_numeric)
class TopNMetricSpec(ABC):
    """What a topN is ordered by: a metric's value, or the dimension's own value."""

    @abstractmethod
    def verify(self, names: set[str]) -> None:
        """Refuse a metric that the query does not compute."""


@json_type("numeric", "LegacyTopNMetricSpec")
@frozen
class NumericTopNMetricSpec(TopNMetricSpec):
    """The largest values of a metric first. A Java Broker names one that was a bare string after its class."""

    metric: str

    def verify(self, names: set[str]) -> None:
        """The metric must be an aggregation or a post-aggregation."""
        if self.metric not in names:
            raise invalid_input(
                f"Must have an AggregatorFactory or PostAggregator for metric[{self.metric}], gave{sorted(names)}"
            )


@json_type("inverted")
@frozen
class InvertedTopNMetricSpec(TopNMetricSpec):
    """Another order, turned round."""

    metric: TopNMetricSpec

    def verify(self, names: set[str]) -> None:
        """Verify the inner one."""
        self.metric.verify(names)


@json_type("dimension", "lexicographic", "alphaNumeric")
@frozen
class DimensionTopNMetricSpec(TopNMetricSpec):
    """The smallest dimension values first, after `previous_stop`."""

    previous_stop: str | None = None
    ordering: str = "lexicographic"

    @classmethod
    def from_json(cls, value: Any, json: Json) -> DimensionTopNMetricSpec:
        """Read it; `lexicographic` and `alphaNumeric` are old types with their order in the name."""
        kind = value.get("type")
        ordering = kind if kind in ("lexicographic", "alphaNumeric") else value.get("ordering")
        return cls(value.get("previousStop"), comparator_name(ordering))

    def to_json(self, json: Json) -> Any:
        """Write it as type `dimension`."""
        return {"type": "dimension", "previousStop": self.previous_stop, "ordering": {"type": self.ordering}}

    def verify(self, names: set[str]) -> None:
        """Nothing to refuse."""
