"""The cluster as one run of the duties sees it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from attrs import define, field, frozen

from nemeton.coordinator.config import CoordinatorDynamicConfig
from nemeton.coordinator.load_queue import HttpLoadQueuePeon
from nemeton.model import DataSegment, DruidServerMetadata, SegmentId
from nemeton.spi.coordinator import Rule


@define(eq=False)
class QueuedServer:
    """A `nemeton.spi.coordinator.ServerHolder` over a server's inventory and its load queue at the start of a run."""

    metadata: DruidServerMetadata
    served: Mapping[SegmentId, DataSegment]
    peon: HttpLoadQueuePeon
    max_queue: int = 500
    is_decommissioning: bool = False
    _loading: dict[SegmentId, DataSegment] = field(factory=dict)
    _dropping: dict[SegmentId, DataSegment] = field(factory=dict)
    _loaded: Mapping[SegmentId, DataSegment] = field(factory=dict)
    _bytes: int = 0

    def __attrs_post_init__(self) -> None:
        state = self.peon.state()
        self._loading, self._dropping, self._loaded = dict(state.loading), dict(state.dropping), state.loaded
        kept = {**self.served, **self._loaded, **self._loading}
        self._bytes = sum(segment.size for key, segment in kept.items() if key not in self._dropping)

    @property
    def bytes_used(self) -> int:
        """See the protocol."""
        return self._bytes

    def has(self, segment: DataSegment) -> bool:
        """See the protocol."""
        return (segment.id in self.served or segment.id in self._loaded) and segment.id not in self._dropping

    def is_loading(self, segment: DataSegment) -> bool:
        """See the protocol."""
        return segment.id in self._loading

    def load(self, segment: DataSegment) -> bool:
        """See the protocol. A server that is being emptied, is full, or has a full queue, takes nothing."""
        if self.has(segment) or self.is_loading(segment) or self.is_decommissioning:
            return False
        if len(self._loading) >= self.max_queue or self._bytes + segment.size > self.metadata.max_size:
            return False
        self._dropping.pop(segment.id, None)
        self._loading[segment.id] = segment
        self._bytes += segment.size
        self.peon.load(segment)
        return True

    def drop(self, segment: DataSegment) -> bool:
        """See the protocol."""
        if not self.has(segment) and not self.is_loading(segment):
            return False
        self._loading.pop(segment.id, None)
        self._dropping[segment.id] = segment
        self._bytes -= segment.size
        self.peon.drop(segment)
        return True


@frozen
class RunParams:
    """A `nemeton.spi.coordinator.CoordinatorRunParams`."""

    now: int
    leader_since: int
    used_segments: Mapping[SegmentId, DataSegment]
    overshadowed: Collection[DataSegment]
    servers: Sequence[QueuedServer]
    rules: Callable[[str], Sequence[Rule]]
    dynamic_config: CoordinatorDynamicConfig
    mark: Callable[[str, list[DataSegment]], int]

    def rules_of(self, data_source: str) -> Sequence[Rule]:
        """See the protocol."""
        return self.rules(data_source)

    def mark_unused(self, data_source: str, segments: Iterable[DataSegment]) -> int:
        """See the protocol."""
        return self.mark(data_source, list(segments))
