"""Merged groups that are not one table in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from nemeton.common.errors import QueryException, illegal_state
from nemeton.query.engines.table import GroupTable
from nemeton.query.packing import pack_table, unpack_table
from nemeton.query.spilling.sorted_merge import Blocks, checked
from nemeton.query.spilling.storage import Place, SpillFile, TemporaryStorage
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.query.spilling.merger import Merging

_ROWS = 16_384  # of what is read at a time


@define
class Run:
    """Groups in natural order in a file."""

    file: SpillFile
    places: list[Place] = field(factory=list)

    @classmethod
    def write(cls, blocks: Blocks, aggregators: Sequence[AggregatorFactory], storage: TemporaryStorage) -> Run:
        """Write all blocks; nothing is left of them when that fails."""
        run = cls(storage.create())
        try:
            for block in blocks:
                run.places.append(run.file.write(pack_table(block, aggregators)))
        except BaseException:
            run.file.close()
            raise
        return run

    def blocks(self, aggregators: Sequence[AggregatorFactory]) -> Blocks:
        """What was written. May be read more than once, one after another."""
        for place in self.places:
            yield unpack_table(self.file.read(place), aggregators)


@define
class SortedGroups:
    """The partial of many groups: blocks in natural order, read from disk or from data servers as they are asked for.

    They can be read once. `merging` is where more room is found for what is made of them.
    """

    merging: Merging | None
    _open: Callable[[], Iterator[GroupTable]] | None

    def settled(self) -> Merging:
        """How they were merged. Of groups that were only read there is none: they are to be merged first."""
        if self.merging is None:
            raise illegal_state("These groups were not merged yet")
        return self.merging

    def blocks(self) -> Blocks:
        """The blocks, once."""
        opened, self._open = self._open, None
        if opened is None:
            raise illegal_state("These groups were read already")
        return opened()


def streamed(rows: Iterator[Any], table_of: Callable[[list[Any]], GroupTable]) -> SortedGroups:
    """The groups of rows that arrive in natural order; read while they are asked for."""

    def tables() -> Iterator[GroupTable]:
        while listed := list(itertools.islice(rows, _ROWS)):
            yield table_of(listed)

    return SortedGroups(None, lambda: checked(tables(), _out_of_order))


def sent_in_order(blocks: Iterator[bytes], aggregators: Sequence[AggregatorFactory]) -> SortedGroups:
    """The groups of packed tables that arrive in natural order; read while they are asked for."""
    tables = (unpack_table(block, aggregators) for block in blocks)
    return SortedGroups(None, lambda: checked(tables, _out_of_order))


def _out_of_order() -> Exception:
    return QueryException(QueryException.UNKNOWN, "A data server sent groups that are not in order, or some twice")
