"""The columns of every data source, learnt from the segments that are served (Druid's BrokerSegmentMetadataCache)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

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


@frozen
class SegmentMetadata:
    """What is known of a segment: its columns in order with their native types, and its rows."""

    columns: Mapping[str, str]
    num_rows: int


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
        self._known: dict[str, dict[SegmentId, SegmentMetadata]] = {}
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
            found = self._known.get(segment.data_source, {}).get(segment.id)
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
                self._known.get(segment.data_source, {}).pop(segment.id, None)
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
                    self._known.setdefault(data_source, {})[segment.id] = found[segment.id]
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
        if not known:
            self._known.pop(data_source, None)
            self._signatures.pop(data_source, None)
            if data_source not in {segment.data_source for segment in self._waiting.values()}:
                self._came.pop(data_source, None)
            return
        newest_first = sorted(known, key=lambda each: (-each.interval.start, each))
        self._signatures[data_source] = merge_columns(known[segment_id].columns for segment_id in newest_first)


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
