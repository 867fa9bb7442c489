"""Which queries go first, and how many of a kind run at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nemeton.plugins import extension_point

if TYPE_CHECKING:
    from nemeton.model import SegmentDescriptor
    from nemeton.spi.query import Query


@extension_point(hook="laning_strategies", name="laning strategy", default="none")
class QueryLaningStrategy(ABC):
    """Puts queries into lanes, each of which takes so many at a time (Druid's interface of the same name).

    Made by the injector, once per role; called by many threads at a time. ``total`` and ``default`` are no names of
    lanes.
    """

    @abstractmethod
    def lane_limits(self, total: int) -> Mapping[str, int]:
        """How many queries each lane takes at a time, where the role takes ``total``."""

    @abstractmethod
    def compute_lane(self, query: Query, segments: Sequence[SegmentDescriptor]) -> str | None:
        """The query's lane, None for none. ``segments`` is what it reads; empty where that is not known."""


@extension_point(hook="prioritization_strategies", name="prioritization strategy", default="manual")
class QueryPrioritizationStrategy(ABC):
    """Gives queries their priority (Druid's interface of the same name). Made and called as laning strategies are."""

    @abstractmethod
    def compute_priority(self, query: Query, segments: Sequence[SegmentDescriptor]) -> int | None:
        """The query's priority, None to leave the one that it has."""
