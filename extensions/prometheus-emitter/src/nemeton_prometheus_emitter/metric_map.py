"""Which Druid metrics become which Prometheus metrics: the JSON file of ``dimensionMapPath``, or the map shipped."""

from __future__ import annotations

import enum
import re
from importlib import resources
from pathlib import Path
from typing import Any

from attrs import field, frozen

from nemeton.common.errors import DruidException, invalid_input
from nemeton.spi import Json
from nemeton_prometheus_emitter.config import PREFIX, is_label

#: Seconds; the buckets of a timer that names none.
DEFAULT_BUCKETS = (0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 120.0, 300.0)
# Druid's expression, on the lower-case name. It also takes runs that begin with a digit, so that sys/tcpv4/in/segs is
# sys_tcpv_in_segs; dashboards made for Druid count on that.
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z_:][^a-zA-Z0-9_:]*")


class MetricKind(enum.Enum):
    """What a metric becomes: a counter that is added to, a gauge that is set, or a histogram."""

    COUNT = "count"
    GAUGE = "gauge"
    TIMER = "timer"


def _check_labels(_metric: Any, _field: Any, values: list[str]) -> None:
    for value in values:
        if not is_label(value):
            raise ValueError(f"dimension [{value}] cannot be a label in Prometheus")


def _above_zero(_metric: Any, _field: Any, value: float) -> None:
    if not value > 0:
        raise ValueError(f"conversionFactor [{value}] must be above 0")


def _ascending(_metric: Any, _field: Any, value: list[float]) -> None:
    if value != sorted(set(value)):
        raise ValueError(f"histogramBuckets {value} must ascend")


@frozen
class MappedMetric:
    """One entry of the map. A timer's value is divided by ``conversion_factor``, to be in seconds."""

    type: MetricKind
    dimensions: list[str] = field(factory=list, validator=_check_labels)
    conversion_factor: float = field(default=1.0, validator=_above_zero)
    histogram_buckets: list[float] = field(factory=list, validator=_ascending)
    help: str = ""

    @property
    def buckets(self) -> tuple[float, ...]:
        """The upper bounds of the histogram's buckets."""
        return tuple(self.histogram_buckets) or DEFAULT_BUCKETS


MetricMap = dict[str, MappedMetric]
"""By Druid's name, which may have ``<service>_`` in front where services emit one metric with other dimensions."""


def prometheus_name(name: str) -> str:
    """The name in Prometheus, without namespace: ``query/time`` becomes ``query_time``."""
    return _NOT_IN_NAMES.sub("_", name.lower())


def read_metric_map(path: str | None, json: Json) -> MetricMap:
    """Read the file, or the default map. Raises `DruidException` that names the property and what is wrong."""
    if not path:
        text = resources.files("nemeton_prometheus_emitter").joinpath("default_metrics.json").read_bytes()
        return json.loads(text, MetricMap)
    named = f"{PREFIX}.dimensionMapPath [{path}]"
    try:
        metrics: MetricMap = json.loads(Path(path).read_bytes(), MetricMap)
    except OSError as e:
        raise invalid_input(f"{named} cannot be read: {e.strerror}") from e
    except DruidException as e:
        raise invalid_input(f"{named} is not a map of metrics: {e}") from e
    _check_names(metrics, named)
    return metrics


def _check_names(metrics: MetricMap, named: str) -> None:
    seen: dict[str, str] = {}
    for name in metrics:
        other = seen.setdefault(prometheus_name(name), name)
        if other != name:
            raise invalid_input(f"{named}: [{other}] and [{name}] both become [{prometheus_name(name)}]; leave one out")
