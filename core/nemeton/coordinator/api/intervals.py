"""``/druid/coordinator/v1/intervals``: what is served, by interval and data source."""

from __future__ import annotations

from typing import Any

from nemeton.coordinator.api.common import (
    by_interval_newest_first,
    interval_of_path,
    size_and_count,
)
from nemeton.coordinator.api.served import ServedSegments
from nemeton.model import DataSegment
from nemeton.spi.auth import Action, ResourceAction
from nemeton.spi.http import (
    Request,
    Resource,
    in_handler,
    route,
)


class IntervalsResource(Resource):
    """Druid's class of the same name: what is served, by interval and data source."""

    def __init__(self, served: ServedSegments) -> None:
        self._served = served

    def _allowed(self, request: Request) -> list[str]:
        return request.filter_authorized(
            self._served.data_sources(), lambda name: [ResourceAction.datasource(name, Action.READ)]
        )

    @route("GET", "/druid/coordinator/v1/intervals", access=in_handler)
    def intervals(self, request: Request) -> Any:
        """Bytes and number of segments by interval and data source, the latest interval first."""
        segments = [each for name in self._allowed(request) for each in self._served.segments(name).values()]
        return {str(interval): _by_source(group) for interval, group in by_interval_newest_first(segments).items()}

    @route("GET", "/druid/coordinator/v1/intervals/{interval}", access=in_handler)
    def interval(self, request: Request) -> Any:
        """The same within an interval; without ``simple`` and ``full`` the sums."""
        within = interval_of_path(request.path_params["interval"])
        segments = [
            each
            for name in self._allowed(request)
            for each in self._served.segments(name).values()
            if within.contains(each.interval)
        ]
        grouped = by_interval_newest_first(segments)
        if request.has_query("full"):
            return {str(interval): _by_source(group) for interval, group in grouped.items()}
        if request.has_query("simple"):
            return {str(interval): size_and_count(group) for interval, group in grouped.items()}
        return size_and_count(segments)


def _by_source(segments: list[DataSegment]) -> dict[str, Any]:
    names = dict.fromkeys(segment.data_source for segment in segments)
    return {name: size_and_count(each for each in segments if each.data_source == name) for name in names}
