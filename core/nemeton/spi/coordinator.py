"""What authors of load rules and Coordinator duties implement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nemeton.plugins import extension_point

if TYPE_CHECKING:
    from nemeton.model import DataSegment, DruidServerMetadata, SegmentId
    from nemeton.time import Interval


class SegmentActionHandler(Protocol):
    """What a rule has done with a segment. Calls are cheap; what follows from them happens after the run."""

    def replicate(self, segment: DataSegment, tiered_replicants: Mapping[str, int]) -> None:
        """Have so many copies in each tier; copies beyond that, and in other tiers, go when all of these are there."""
        ...

    def broadcast(self, segment: DataSegment) -> None:
        """Have a copy on every data server."""
        ...

    def delete(self, segment: DataSegment) -> None:
        """Have no copy: the segment is marked as unused."""
        ...


@extension_point(hook="load_rules", name="rule")
class Rule(ABC):
    """Says what happens to the segments that it applies to; the first that applies counts. Immutable."""

    @abstractmethod
    def applies_to(self, interval: Interval, now: int) -> bool:
        """Whether the rule is about segments of that interval, at that time (milliseconds since the epoch)."""

    @abstractmethod
    def run(self, segment: DataSegment, handler: SegmentActionHandler) -> None:
        """Tell the handler what to do with the segment."""

    @property
    def keeps(self) -> bool:
        """Whether segments are served at all; hand-off does not wait for those that are not."""
        return True


class ServerHolder(Protocol):
    """A data server during a run: what it serves and what is on its way. Only for the duty's own thread."""

    @property
    def metadata(self) -> DruidServerMetadata:
        """Its name, tier, kind and size, as it announced them."""
        ...

    @property
    def served(self) -> Mapping[SegmentId, DataSegment]:
        """What it serves, also when it is being dropped."""
        ...

    @property
    def bytes_used(self) -> int:
        """Bytes that it holds when all requests made so far are done."""
        ...

    def has(self, segment: DataSegment) -> bool:
        """Whether it serves the segment and keeps it."""
        ...

    def is_loading(self, segment: DataSegment) -> bool:
        """Whether it was asked to load the segment and has not done so yet."""
        ...

    def load(self, segment: DataSegment) -> bool:
        """Ask it to load the segment; False when it cannot take it."""
        ...

    def drop(self, segment: DataSegment) -> bool:
        """Ask it to drop the segment (or not to load it after all); False when it does neither serve nor load it."""
        ...


class CoordinatorRunParams(Protocol):
    """The cluster at the beginning of a run: the same for all duties of the run, whatever they change."""

    @property
    def now(self) -> int:
        """Milliseconds since the epoch."""
        ...

    @property
    def leader_since(self) -> int:
        """When this Coordinator became leader, in milliseconds since the epoch."""
        ...

    @property
    def used_segments(self) -> Mapping[SegmentId, DataSegment]:
        """All used segments, overshadowed ones too."""
        ...

    @property
    def overshadowed(self) -> Collection[DataSegment]:
        """The used segments that newer ones hide everywhere."""
        ...

    @property
    def servers(self) -> Sequence[ServerHolder]:
        """The data servers whose segments are known."""
        ...

    def rules_of(self, data_source: str) -> Sequence[Rule]:
        """The rules of a data source, the default ones last."""
        ...

    @property
    def dynamic_config(self) -> Any:
        """The settings of ``/druid/coordinator/v1/config``."""
        ...

    def mark_unused(self, data_source: str, segments: Iterable[DataSegment]) -> int:
        """Mark segments as unused in the metadata store; how many changed."""
        ...


@extension_point(hook="coordinator_duties", name="coordinator duty")
class CoordinatorDuty(ABC):
    """Work that the leading Coordinator does again and again, on the thread of its group.

    An exception is logged and ends the run of the group; the next run begins as usual.
    """

    @abstractmethod
    def run(self, params: CoordinatorRunParams) -> None:
        """One run; ``params`` is a snapshot that belongs to this run alone."""
