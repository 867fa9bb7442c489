"""The columns of every data source, learnt from the segments that are served (Druid's BrokerSegmentMetadataCache)."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define, field, frozen

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.dataserver.query_run import QueryRun
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.model import ColumnType, DataSegment, SegmentDescriptor, SegmentId
from nemeton.query.model.data_sources import TableDataSource
from nemeton.query.model.queries import SegmentMetadataQuery
from nemeton.query.model.segment_spec import QuerySegmentSpec
from nemeton.server.broker.cluster_client import CachingClusteredClient
from nemeton.server.broker.server_view import BrokerServerView

log = logging.getLogger(__name__)

_BATCH = 1000
_TIMEOUT_MS = 60_000
_WAIT_S = 10.0
_FEW = 100


@frozen
class SegmentMetadata:
    """What is known of a segment: its columns in order with their native types, and its rows."""

    columns: Mapping[str, str]
    num_rows: int


_Signature = tuple[tuple[str, str], ...]


@define(eq=False)
class _KnownSegments:
    """The segments of one data source that are known, and of those whose columns are alike the newest one.

    Most are alike, so that what all together have is found without looking at all of them.
    """

    segments: dict[SegmentId, SegmentMetadata] = field(factory=dict)
    #: by columns a heap of segments, the newest first; some may have gone
    _alike: dict[_Signature, list[tuple[int, SegmentId]]] = field(factory=dict)

    def add(self, segment_id: SegmentId, metadata: SegmentMetadata) -> None:
        """Take note of a segment."""
        self.segments[segment_id] = metadata
        signature = _signature(metadata)
        heap = self._alike.setdefault(signature, [])
        heapq.heappush(heap, _newest_first(segment_id))
        if len(heap) > 2 * len(self.segments) + _FEW:  # many have gone
            heap[:] = sorted({each for each in heap if self._has(each[1], signature)})

    def remove(self, segment_id: SegmentId) -> None:
        """Forget a segment, if it is known."""
        self.segments.pop(segment_id, None)

    def merged(self) -> dict[str, str]:
        """The columns of all of them, those of the newest first."""
        for signature, heap in [*self._alike.items()]:
            while heap and not self._has(heap[0][1], signature):
                heapq.heappop(heap)
            if not heap:
                del self._alike[signature]
        return merge_columns(self.segments[heap[0][1]].columns for heap in sorted(self._alike.values()))

    def _has(self, segment_id: SegmentId, signature: _Signature) -> bool:
        metadata = self.segments.get(segment_id)
        return metadata is not None and _signature(metadata) == signature


def _signature(metadata: SegmentMetadata) -> _Signature:
    return tuple(metadata.columns.items())


def _newest_first(segment_id: SegmentId) -> tuple[int, SegmentId]:
    return -segment_id.interval.start, segment_id


class SegmentMetadataCache:
    """Asks each newly served segment for its columns, once, on a thread of its own. Thread-safe.

    A data source has the columns of all its segments, those of the newest segment first; where types differ, the one
    that can hold both counts.
    """

    def __init__(self, view: BrokerServerView, client: CachingClusteredClient, clock: Clock) -> None:
        """It hears from the view's start on."""
        self._view = view
        self._client = client
        self._clock = clock
        self._known: dict[str, _KnownSegments] = {}
        self._waiting: dict[SegmentId, DataSegment] = {}
        self._came: dict[str, float] = {}
        self._signatures: dict[str, dict[str, str]] = {}
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name="segment-metadata", daemon=True)
        view.on_change(self._segment_changed)

    @lifecycle_start
    def start(self) -> None:
        """Begin to ask data servers for the columns of what they serve."""
        self._thread.start()

    @lifecycle_stop
    def stop(self) -> None:
        """Ask no more; who waits for a data source is let go."""
        self._stopping = True
        self._wake.set()

    def row_signatures(self) -> Mapping[str, Mapping[str, str]]:
        """Data source → column → native type. Waits for data sources that have just come, so that they are known."""
        with self._changed:
            while self._has_newcomers() and not self._stopping:
                self._changed.wait(0.1)
            return {name: dict(columns) for name, columns in self._signatures.items()}

    def _has_newcomers(self) -> bool:
        """Whether a data source came within the last seconds of which nothing is known yet."""
        now = self._clock.monotonic()
        return any(now - since < _WAIT_S for name, since in self._came.items() if name not in self._signatures)

    def num_rows(self, segment: DataSegment) -> int:
        """The rows of a served segment; 0 while they are not known."""
        with self._changed:
            known = self._known.get(segment.data_source)
            found = known.segments.get(segment.id) if known is not None else None
        return found.num_rows if found else 0

    def _segment_changed(self, segment: DataSegment, added: bool) -> None:
        if segment.is_tombstone:
            return
        with self._changed:
            if added:
                self._came.setdefault(segment.data_source, self._clock.monotonic())
                self._waiting[segment.id] = segment
            else:
                self._waiting.pop(segment.id, None)
                if segment.data_source in self._known:
                    self._known[segment.data_source].remove(segment.id)
                self._rebuild(segment.data_source)
        self._wake.set()

    def _loop(self) -> None:
        backoff = Backoff(initial_s=0.2, max_s=30)
        while not self._stopping:
            self._clock.wait(self._wake, 3600.0)
            self._wake.clear()
            try:
                while self._refresh_some() and not self._stopping:
                    pass
                backoff.reset()
            except Exception as failure:  # noqa: BLE001 - data servers come and go; it is tried again
                log.warning("Columns of served segments could not be learnt, will try again: %s", failure)
                self._clock.wait(self._wake, backoff.next_delay())
                self._wake.set()

    def _refresh_some(self) -> bool:
        """Ask for one batch of one data source; False when nothing waits. What gives no answer goes to the end."""
        with self._changed:
            if not self._waiting:
                return False
            data_source = next(iter(self._waiting.values())).data_source
            batch = [each for each in self._waiting.values() if each.data_source == data_source][:_BATCH]
            for segment in batch:
                self._waiting[segment.id] = self._waiting.pop(segment.id)
        found = self._ask(data_source, batch)
        with self._changed:
            for segment in batch:
                if segment.id in found and self._waiting.pop(segment.id, None) is not None:
                    self._known.setdefault(data_source, _KnownSegments()).add(segment.id, found[segment.id])
            self._rebuild(data_source)
            self._changed.notify_all()
        if not found:
            raise RuntimeError(f"no answer for {len(batch)} segment(s) of data source [{data_source}]")
        return True

    def _ask(self, data_source: str, batch: list[DataSegment]) -> dict[SegmentId, SegmentMetadata]:
        descriptors = [SegmentDescriptor(each.interval, each.version, each.partition_num) for each in batch]
        query = SegmentMetadataQuery(
            data_source=TableDataSource(data_source),
            intervals=QuerySegmentSpec.of_segments(descriptors),
            analysis_types=(),
            merge=False,
            context={
                "timeout": _TIMEOUT_MS,
                "queryId": f"segment-metadata-{data_source}",
                "returnPartialResults": True,
            },
        )
        run = QueryRun.of(query)
        try:
            by_id = {str(each.id): each.id for each in batch}
            results = list(self._client.run(query, run))
        finally:
            run.close()
        return {
            by_id[result["id"]]: SegmentMetadata(_columns(result["columns"]), result.get("numRows") or 0)
            for result in results
            if result["id"] in by_id
        }

    def _rebuild(self, data_source: str) -> None:
        known = self._known.get(data_source)
        if known is None or not known.segments:
            self._known.pop(data_source, None)
            self._signatures.pop(data_source, None)
            if data_source not in {segment.data_source for segment in self._waiting.values()}:
                self._came.pop(data_source, None)
            return
        self._signatures[data_source] = known.merged()


def _columns(analysed: Mapping[str, Any]) -> dict[str, str]:
    """Columns that could be analysed; what failed is left out rather than guessed."""
    return {
        name: column.get("typeSignature") or column["type"]
        for name, column in analysed.items()
        if not column.get("errorMessage")
    }


def merge_columns(columns: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """All columns in the order in which they first come, each with a type that holds all of its types."""
    merged: dict[str, str] = {}
    for each in columns:
        for name, type_ in each.items():
            merged[name] = least_restrictive(merged[name], type_) if name in merged else type_
    return merged


def least_restrictive(one: str, other: str) -> str:
    """The type that can hold values of both; of types that have nothing in common the first."""
    if one == other:
        return one
    left, right = ColumnType.parse(one), ColumnType.parse(other)
    if left.is_complex or right.is_complex:
        return one
    if left.is_array or right.is_array:
        inner = least_restrictive(str(left.element or left), str(right.element or right))
        return f"ARRAY<{inner}>"
    if left.is_numeric and right.is_numeric:
        return "DOUBLE"
    return "STRING"
