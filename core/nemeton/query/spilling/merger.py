"""Merges tables of groups as they come, and puts them on disk where they take more memory than they may."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from nemeton.common.errors import QueryException, illegal_state, resource_limit
from nemeton.query.engines.table import GroupTable, merge_tables
from nemeton.query.spilling.config import (
    GroupByQueryConfig,
    MergeLimits,
    ProcessingBufferConfig,
    ProcessingFolderConfig,
)
from nemeton.query.spilling.groups import Run, SortedGroups
from nemeton.query.spilling.sizes import NOTHING, TableSize, table_size
from nemeton.query.spilling.sorted_merge import NATURAL, Blocks, Ordering, in_order, merge_blocks
from nemeton.query.spilling.stats import GroupByStats
from nemeton.query.spilling.storage import TemporaryStorage
from nemeton.spi.query import AggregatorFactory, QueryControl

if TYPE_CHECKING:
    from nemeton.query.model.queries import GroupByQuery

_SHARE_HELD = 3  # merging takes about twice what it merges
_BLOCKS = 64  # so many blocks fit into the memory of a query
_MOST_RUNS = 32  # are read at a time, a block each
_LEAST_ROWS, _MOST_ROWS = 32, 32_768
_ADVICE = (
    "Try enabling disk spilling by setting druid.query.groupBy.maxOnDiskStorage to an amount of bytes available on "
    "your machine for on-disk scratch files. See https://druid.apache.org/docs/latest/querying/groupbyquery.html"
    "#memory-tuning-and-resource-limits for details."
)


@frozen
class MergeSettings:
    """Where the merging of this process finds room, and where it is counted."""

    config: GroupByQueryConfig = field(factory=GroupByQueryConfig)
    buffer: ProcessingBufferConfig = field(factory=ProcessingBufferConfig)
    folder: ProcessingFolderConfig = field(factory=ProcessingFolderConfig)
    stats: GroupByStats = field(factory=GroupByStats)


@frozen
class Merging:
    """How one query merges its groups."""

    aggregators: Sequence[AggregatorFactory]
    num_dimensions: int
    max_groups: int | None
    """More of them in all fail the query; None: as many as find room."""
    limits: MergeLimits
    control: QueryControl
    settings: MergeSettings

    ordering: Ordering = NATURAL

    @classmethod
    def of(cls, query: GroupByQuery, control: QueryControl, settings: MergeSettings) -> Merging:
        """As configuration and context say."""
        context = query.query_context
        limits = MergeLimits.of(context, settings.config, settings.buffer)
        is_limited = "maxResults" in query.context or not limits.disk_bytes
        most = context.max_groups if is_limited else None
        return cls(query.aggregations, len(query.dimensions), most, limits, control, settings)

    def merger(self) -> GroupMerger:
        """A new merger; to be closed."""
        return GroupMerger(self)

    def by(self, ordering: Ordering) -> Merging:
        """For a merge of distinct groups that have to be put in another order."""
        return evolve(self, ordering=ordering)

    def shared(self, count: int) -> Merging:
        """For one of so many merges that go on together."""
        limits = self.limits
        share = evolve(limits, memory_bytes=limits.memory_bytes // count, disk_bytes=limits.disk_bytes // count)
        return evolve(self, limits=share)


class GroupMerger:
    """Takes `GroupTable`s and `SortedGroups`, in any order and from any thread; see `nemeton.spi.query.Merger`.

    Where the disk may be used, tables that take more than their part of the memory become a sorted run in a file.
    """

    def __init__(self, merging: Merging) -> None:
        self._merging = merging
        self._limits = merging.limits
        self._lock = threading.Lock()
        self._storage = TemporaryStorage(merging.settings.folder.tmp_dir, self._limits.disk_bytes)
        self._held: list[tuple[int, GroupTable]] = []
        self._num_groups = 0  # of those held
        self._size = NOTHING
        self._dictionary_bytes = 0
        self._runs: list[Run] = []
        self._streams: list[SortedGroups] = []
        self._closed = False

    # ---- see `nemeton.spi.query.Merger`

    def add(self, place: int, partial: Any) -> None:
        """Hold the partial; equal keys are merged in order of `place` as long as nothing goes to disk.

        Raises Druid's error when there is no room for it.
        """
        with self._lock:
            if self._closed:
                raise illegal_state("This merge has ended")
            if isinstance(partial, SortedGroups):
                self._streams.append(partial)
                return
            if partial.num_groups:
                self._held.append((place, partial))
                self._num_groups += partial.num_groups
                self._size += table_size(partial, self._merging.aggregators)
                self._make_room()

    def result(self) -> GroupTable | SortedGroups:
        """All groups. What it reads from is closed with the merger."""
        with self._lock:
            self._merging.control.check()
            if not self._runs and not self._streams:
                table = self._merge_held()
                self._check_table(table)
                self._count()
                return table
            if self._runs and self._held:
                self._spill()
            self._count()
            return SortedGroups(self._merging, self._merged_blocks)

    def close(self) -> None:
        """Let go of everything, files included."""
        self._storage.close()  # first: who holds the lock then fails soon
        with self._lock:
            self._closed = True
            self._held, self._runs, self._streams = [], [], []

    # ---- holding

    def _make_room(self) -> None:
        """When too much is held: merge it, and when that does not help put it on disk, or give up."""
        if self._fits(self._size):
            return
        if len(self._held) > 1:
            self._merging.control.check()
            self._hold(self._merge_held())
            half = TableSize(2 * self._size.total, 2 * self._size.strings)
            if self._fits(half if self._may_spill else self._size):
                return
        if not self._may_spill:
            self._refuse()
        self._spill()

    @property
    def _may_spill(self) -> bool:
        return self._limits.disk_bytes > 0

    def _fits(self, size: TableSize) -> bool:
        limits = self._limits
        share = _SHARE_HELD if self._may_spill else 1
        if size.total * share > limits.memory_bytes or self._num_groups > limits.groups:
            return False
        return not limits.dictionary_bytes or size.strings <= limits.dictionary_bytes

    def _refuse(self) -> None:
        limits = self._limits
        if limits.dictionary_bytes and self._size.strings > limits.dictionary_bytes:
            raise resource_limit(f"Not enough dictionary memory to execute this query. {_ADVICE}")
        raise resource_limit(f"Not enough merge buffer memory to execute this query. {_ADVICE}")

    def _merge_held(self) -> GroupTable:
        tables = [table for _, table in sorted(self._held, key=lambda each: each[0])]
        return merge_tables(tables, self._merging.aggregators, self._merging.num_dimensions)

    def _hold(self, table: GroupTable) -> None:
        first = min(place for place, _ in self._held)
        self._held, self._num_groups = [(first, table)], table.num_groups
        self._size = table_size(table, self._merging.aggregators)

    def _check_table(self, table: GroupTable) -> None:
        most = self._merging.max_groups
        if most is not None and table.num_groups > most:
            raise too_many(most)

    def _count(self) -> None:
        self._dictionary_bytes += self._size.strings
        self._merging.settings.stats.add(self._storage.written, self._dictionary_bytes)

    # ---- on disk

    def _spill(self) -> None:
        """What is held as a run in a file; when there are too many, all of them as one."""
        merging = self._merging
        rows = self._block_rows(self._num_groups)
        self._dictionary_bytes += self._size.strings
        streams = [in_order(table, merging.aggregators, rows, merging.ordering) for _, table in self._held]
        self._held, self._num_groups, self._size = [], 0, NOTHING
        self._runs.append(self._written(streams))
        if len(self._runs) > _MOST_RUNS:
            merged = self._written([run.blocks(merging.aggregators) for run in self._runs])
            for run in self._runs:
                run.file.close()
            self._runs = [merged]

    def _written(self, streams: Sequence[Blocks]) -> Run:
        return Run.write(self._merged(streams), self._merging.aggregators, self._storage)

    def _merged(self, streams: Sequence[Blocks]) -> Blocks:
        merging = self._merging
        return merge_blocks(streams, merging.aggregators, merging.control, merging.ordering)

    def _block_rows(self, num_groups: int) -> int:
        each = max(1, self._size.total // max(1, num_groups))
        return max(_LEAST_ROWS, min(_MOST_ROWS, self._limits.memory_bytes // _BLOCKS // each))

    def _merged_blocks(self) -> Blocks:
        """The blocks of everything: runs, streams, and what is still held."""
        merging = self._merging
        streams = [run.blocks(merging.aggregators) for run in self._runs]
        streams += [groups.blocks() for groups in self._streams]
        streams += [in_order(table, merging.aggregators, _MOST_ROWS, merging.ordering) for _, table in self._held]
        count = 0
        for block in self._merged(streams):
            count += block.num_groups
            if merging.max_groups is not None and count > merging.max_groups:
                raise too_many(merging.max_groups)
            yield block


def too_many(limit: int) -> QueryException:
    """The error of a query with more groups than it may have in memory, or than its ``maxResults``."""
    return resource_limit(
        f"Not enough merge buffer memory to execute this query: it has more than {limit} groups. Narrow the query, or "
        "raise [maxResults] in its context."
    )
