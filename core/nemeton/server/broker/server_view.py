"""The Broker's view: per data source a timeline of what is served, with who serves it (Druid's BrokerServerView)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nemeton.model import DataSegment, SegmentDescriptor, VersionedIntervalTimeline, chunk_of
from nemeton.rpc.server_inventory import DruidServer, HttpServerInventoryView, ServerViewListener
from nemeton.server.broker.selector import ServerSelector

Timeline = VersionedIntervalTimeline[ServerSelector]


class BrokerServerView(ServerViewListener):
    """Follows the inventory. Thread-safe.

    A segment is on the timeline while at least one server has it; so a new version counts at once when all of its
    core partitions are served, and the old one until then.
    """

    def __init__(self, inventory: HttpServerInventoryView) -> None:
        """It hears from the inventory's start on."""
        self._inventory = inventory
        self._timelines: dict[str, Timeline] = {}
        self._lock = threading.RLock()
        self._on_change: list[Callable[[DataSegment, bool], None]] = []
        inventory.add_listener(self)

    def on_change(self, callback: Callable[[DataSegment, bool], None]) -> None:
        """Call with a segment, and True when it is served for the first time, False when nobody serves it any more."""
        self._on_change.append(callback)

    @property
    def is_initialized(self) -> bool:
        """Whether the first view is complete."""
        return self._inventory.is_initialized

    def wait_until_initialized(self, timeout_s: float) -> bool:
        """Wait for the first view, at most so many seconds."""
        return self._inventory.wait_until_initialized(timeout_s)

    @property
    def data_sources(self) -> list[str]:
        """Data sources that are served, sorted."""
        with self._lock:
            return sorted(self._timelines)

    def timeline(self, data_source: str) -> Timeline | None:
        """The timeline of a data source; None when nothing of it is served."""
        return self._timelines.get(data_source)

    def selector(self, data_source: str, descriptor: SegmentDescriptor) -> ServerSelector | None:
        """Who serves the segment."""
        timeline = self._timelines.get(data_source)
        if timeline is None:
            return None
        return timeline.find(descriptor.interval, descriptor.version, descriptor.partition_number)

    def selectors(self, data_source: str) -> list[ServerSelector]:
        """All served segments of a data source, with who serves them."""
        timeline = self._timelines.get(data_source)
        return timeline.objects() if timeline is not None else []

    @property
    def servers(self) -> list[DruidServer]:
        """All data servers."""
        return self._inventory.servers

    # ---- what the inventory says

    def segment_added(self, server: DruidServer, segment: DataSegment) -> None:
        """See `ServerViewListener`."""
        with self._lock:
            timeline = self._timelines.setdefault(segment.data_source, VersionedIntervalTimeline())
            selector = timeline.get(segment.interval, segment.version, segment.partition_num)
            new = selector is None
            if selector is None:
                selector = ServerSelector(segment)
                timeline.add(segment.interval, segment.version, chunk_of(segment, selector))
            selector.add(server, segment)
        if new:
            self._tell(segment, True)

    def segment_removed(self, server: DruidServer, segment: DataSegment) -> None:
        """See `ServerViewListener`."""
        with self._lock:
            timeline = self._timelines.get(segment.data_source)
            if timeline is None:
                return
            selector = timeline.get(segment.interval, segment.version, segment.partition_num)
            if selector is None:
                return
            selector.remove(server)
            gone = selector.is_empty
            if gone:
                timeline.remove(segment.interval, segment.version, segment.partition_num)
                if timeline.is_empty:
                    del self._timelines[segment.data_source]
        if gone:
            self._tell(segment, False)

    def _tell(self, segment: DataSegment, added: bool) -> None:
        for callback in self._on_change:
            callback(segment, added)
