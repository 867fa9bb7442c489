"""What every aggregator owes the query engine and ingestion."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from nemeton.json import Json
from nemeton.spi.query import AggregatorFactory
from nemeton.testkit.isolation import json_knowing

if TYPE_CHECKING:
    from nemeton.spi.query import Block

Columns = Mapping[str, tuple[str, Sequence[Any]]]

NUM_ROWS = 500
NUM_GROUPS = 7
EMPTY_GROUP = NUM_GROUPS - 1
"""The group that no row belongs to."""


def sample_columns(seed: int = 7) -> dict[str, tuple[str, list[Any]]]:
    """Rows with the columns ``__time``, ``long``, ``double``, ``float`` and ``string``; nulls but in the first."""
    chance = random.Random(seed)

    def column(make: Any) -> list[Any]:
        return [None if chance.random() < 0.1 else make() for _ in range(NUM_ROWS)]

    return {
        "__time": ("LONG", sorted(chance.randrange(1_000_000) for _ in range(NUM_ROWS))),
        "long": ("LONG", column(lambda: chance.randrange(-1000, 1000))),
        "double": ("DOUBLE", column(lambda: chance.randrange(-4000, 4000) / 4)),
        "float": ("FLOAT", column(lambda: chance.randrange(-400, 400) / 4)),
        "string": ("STRING", column(lambda: chance.choice(["a", "b", "cc", "ddd", ""]))),
    }


def blocks_of(columns: Columns, start: int = 0, stop: int | None = None, size: int = NUM_ROWS) -> list[Block]:
    """The rows as blocks of at most that size."""
    from nemeton.query.inline import rows_segment
    from nemeton.query.source import RowBlock, SegmentSource

    num_rows = len(next(iter(columns.values()))[1])
    source = SegmentSource(rows_segment(columns, num_rows))
    end = num_rows if stop is None else stop
    return [RowBlock(source, at, min(at + size, end)) for at in range(start, end, size)]


def group_of(row: int) -> int:
    """The group of a row in these tests; never the empty one."""
    return (row * row + row // 3) % EMPTY_GROUP


class AggregatorPromises:
    """All promises that need no knowledge of what is aggregated. Subclass it, and override the fixture `factory`.

    ``commutative`` False is for aggregates that may take any of the values, so that parts are merged in order alone;
    ``tolerance`` is how far results may lie apart, as a part of them: by more than rounding where they are estimates.
    The factory reads columns of `sample_columns` (or of the fixture `columns`, overridden).
    """

    commutative = True
    tolerance = 1e-6

    @pytest.fixture
    def factory(self) -> AggregatorFactory:
        """The factory that is tested."""
        raise NotImplementedError("override the fixture `factory`")

    @pytest.fixture
    def columns(self) -> Columns:
        """The rows: name → type and values."""
        return sample_columns()

    # ---- helpers

    def aggregated(
        self,
        factory: AggregatorFactory,
        columns: Columns,
        start: int = 0,
        stop: int | None = None,
        size: int = NUM_ROWS,
    ) -> Any:
        """A state of these rows."""
        import numpy as np

        state = factory.init(NUM_GROUPS)
        at = start
        for block in blocks_of(columns, start, stop, size):
            groups = np.array([group_of(row) for row in range(at, at + block.num_rows)], dtype=np.int64)
            factory.aggregate(state, block, groups)
            at += block.num_rows
        return state

    def same(self, factory: AggregatorFactory, state: Any, other: Any) -> None:
        """The states finish to the same, within the tolerance."""
        wanted = factory.finalise(other).to_list()
        assert factory.finalise(state).to_list() == pytest.approx(wanted, rel=self.tolerance, nan_ok=True)

    # ---- promises

    def test_it_reads_only_the_columns_that_it_names(self, factory: AggregatorFactory, columns: Columns) -> None:
        """Other columns may not be loaded at all."""
        needed = {name: column for name, column in columns.items() if name in factory.required_columns()}
        needed.setdefault("__time", columns["__time"])
        self.same(factory, self.aggregated(factory, needed), self.aggregated(factory, columns))

    @pytest.mark.parametrize("size", [1, 7, 499])
    def test_the_size_of_blocks_does_not_matter(self, factory: AggregatorFactory, columns: Columns, size: int) -> None:
        """Down to a row at a time."""
        self.same(factory, self.aggregated(factory, columns, size=size), self.aggregated(factory, columns))

    def test_large_blocks(self, factory: AggregatorFactory, columns: Columns) -> None:
        """Of any number of rows."""
        many = {name: (kind, [*values] * 40) for name, (kind, values) in columns.items()}
        rows = 40 * NUM_ROWS
        whole = self.aggregated(factory, many, size=rows)
        self.same(factory, self.aggregated(factory, many, size=4999), whole)

    def test_rows_that_a_filter_leaves(self, factory: AggregatorFactory, columns: Columns) -> None:
        """The aggregator `filtered` around it takes in those rows, and no others."""
        import numpy as np

        from nemeton.query.aggregators.count import FilteredAggregatorFactory
        from nemeton.query.filters.ranges import BoundDimFilter

        condition = BoundDimFilter("__time", lower="500000", ordering="numeric")
        filtered = FilteredAggregatorFactory(factory, condition)
        (block,) = blocks_of(columns)
        kept = np.flatnonzero(condition.matches(block))
        assert 0 < len(kept) < NUM_ROWS
        alone = factory.init(NUM_GROUPS)
        groups = np.array([group_of(row) for row in range(NUM_ROWS)], dtype=np.int64)
        factory.aggregate(alone, block.select(kept), groups[kept])
        self.same(filtered, self.aggregated(filtered, columns), alone)

    def test_columns_that_are_not_there(self, factory: AggregatorFactory, columns: Columns) -> None:
        """Segments from before a column came: it is null in all rows."""
        nothing = {"__time": columns["__time"]}
        null = {name: (kind, [None] * NUM_ROWS) for name, (kind, _) in columns.items() if name != "__time"}
        self.same(factory, self.aggregated(factory, nothing), self.aggregated(factory, {**nothing, **null}))

    def test_a_state_of_no_groups(self, factory: AggregatorFactory) -> None:
        """A data source without rows."""
        import numpy as np

        empty = factory.init(0)
        assert factory.finalise(empty).to_list() == factory.to_wire(empty) == []
        state = factory.init(1)
        factory.merge(state, empty, np.zeros(0, dtype=np.int64))
        factory.merge(state, factory.from_wire([]), np.zeros(0, dtype=np.int64))
        self.same(factory, state, factory.init(1))

    def test_results_have_the_type_that_is_announced(self, factory: AggregatorFactory, columns: Columns) -> None:
        """Column types of outer queries and of SQL rest on it."""
        found = factory.finalise(self.aggregated(factory, columns))
        assert str(found.type) == str(factory.result_type)
        assert len(found) == NUM_GROUPS

    def test_finalising_changes_nothing(self, factory: AggregatorFactory, columns: Columns) -> None:
        """Post-aggregators may ask again."""
        state = self.aggregated(factory, columns)
        wire = factory.to_wire(state)
        assert factory.finalise(state).to_list() == factory.finalise(state).to_list()
        assert factory.to_wire(state) == wire

    def test_a_block_of_one_group(self, factory: AggregatorFactory, columns: Columns) -> None:
        """`aggregate_run` is `aggregate` with one group."""
        import numpy as np

        one, other = factory.init(2), factory.init(2)
        for block in blocks_of(columns, size=100):
            factory.aggregate_run(one, block, 1)
            factory.aggregate(other, block, np.ones(block.num_rows, dtype=np.int64))
        self.same(factory, one, other)

    def test_selected_rows(self, factory: AggregatorFactory, columns: Columns) -> None:
        """A filter leaves some rows of a block."""
        import numpy as np

        (block,) = blocks_of(columns)
        rows = np.arange(0, NUM_ROWS, 3)
        selected, alone = factory.init(1), factory.init(1)
        factory.aggregate_run(selected, block.select(rows), 0)
        for row in rows.tolist():
            factory.aggregate_run(alone, block.select(np.array([row])), 0)
        self.same(factory, selected, alone)

    def test_merging_in_any_order(self, factory: AggregatorFactory, columns: Columns) -> None:
        """The parts of a cluster come in any order; a part without rows changes nothing."""
        import numpy as np

        whole = self.aggregated(factory, columns)
        groups = np.arange(NUM_GROUPS)
        cuts = [(0, 100), (100, 350), (350, NUM_ROWS)]
        for order in itertools.permutations(cuts) if self.commutative else [cuts]:
            merged = factory.init(NUM_GROUPS)
            for start, stop in order:
                factory.merge(merged, self.aggregated(factory, columns, start, stop), groups)
            factory.merge(merged, factory.init(NUM_GROUPS), groups)
            self.same(factory, merged, whole)

    def test_merging_parts_of_parts(self, factory: AggregatorFactory, columns: Columns) -> None:
        """Servers merge first, then the Broker; or the Broker all at once."""
        import numpy as np

        groups = np.arange(NUM_GROUPS)

        def part(number: int) -> Any:
            return self.aggregated(factory, columns, (0, 100, 350)[number], (100, 350, NUM_ROWS)[number])

        left, inner, right = part(0), part(1), part(0)
        factory.merge(left, part(1), groups)
        factory.merge(left, part(2), groups)
        factory.merge(inner, part(2), groups)
        factory.merge(right, inner, groups)
        self.same(factory, left, right)

    def test_merging_leaves_the_other_state_alone(self, factory: AggregatorFactory, columns: Columns) -> None:
        """It may be cached."""
        import numpy as np

        other = self.aggregated(factory, columns, 0, 100)
        before = factory.finalise(other).to_list()
        merged = self.aggregated(factory, columns, 100, 350)
        factory.merge(merged, other, np.arange(NUM_GROUPS))
        factory.merge(merged, other, np.arange(NUM_GROUPS))
        assert factory.finalise(other).to_list() == before

    def test_merging_into_other_groups(self, factory: AggregatorFactory, columns: Columns) -> None:
        """Group i of a part goes where it is told; two may go to one."""
        import numpy as np

        whole = self.aggregated(factory, columns)
        turned = factory.init(NUM_GROUPS)
        factory.merge(turned, whole, np.arange(NUM_GROUPS)[::-1].copy())
        self.same(factory, factory.take(turned, np.arange(NUM_GROUPS)[::-1].copy()), whole)
        at_once, one_by_one = factory.init(1), factory.init(1)
        factory.merge(at_once, whole, np.zeros(NUM_GROUPS, dtype=np.int64))
        for group in range(NUM_GROUPS):
            factory.merge(one_by_one, factory.take(whole, np.array([group])), np.zeros(1, dtype=np.int64))
        self.same(factory, at_once, one_by_one)

    def test_groups_can_be_added(self, factory: AggregatorFactory, columns: Columns) -> None:
        """The engine finds new groups as it reads."""
        import numpy as np

        state = factory.resize(self.aggregated(factory, columns), NUM_GROUPS + 5)
        self.same(factory, factory.take(state, np.arange(NUM_GROUPS)), self.aggregated(factory, columns))
        self.same(factory, factory.take(state, np.arange(NUM_GROUPS, NUM_GROUPS + 5)), factory.init(5))

    def test_groups_can_be_picked(self, factory: AggregatorFactory, columns: Columns) -> None:
        """In any order, and what is picked does not hang on what it is picked from."""
        import numpy as np

        state = self.aggregated(factory, columns)
        before = factory.finalise(state).to_list()
        picked = factory.take(state, np.array([3, 1]))
        assert factory.finalise(picked).to_list() == [before[3], before[1]]
        factory.aggregate_run(picked, blocks_of(columns)[0], 0)
        assert factory.finalise(state).to_list() == before

    def test_the_wire(self, factory: AggregatorFactory, columns: Columns) -> None:
        """Partial results go to the Broker as JSON and lose nothing."""
        json = Json()
        for state in (self.aggregated(factory, columns), factory.init(3)):
            again = factory.from_wire(json.loads(json.dumps(factory.to_wire(state))))
            assert factory.finalise(again).to_list() == factory.finalise(state).to_list()

    def test_rolled_up_rows_can_be_aggregated_again(self, factory: AggregatorFactory, columns: Columns) -> None:
        """`combining_factory` reads the column that ingestion stores, under this factory's name."""
        import numpy as np

        kind = str(factory.stored_type)
        combining = factory.combining_factory()
        whole = self.aggregated(factory, columns)
        parts = [self.aggregated(factory, columns, start, start + 100) for start in range(0, NUM_ROWS, 100)]
        values = [value for part in parts for value in factory.to_stored(part).to_list()]
        if "COMPLEX" in kind and not all(value is None or isinstance(value, bytes) for value in values):
            return  # it cannot be ingested
        (block,) = blocks_of({factory.name: (kind, values)}, size=len(values))
        state = combining.init(NUM_GROUPS)
        combining.aggregate(state, block, np.tile(np.arange(NUM_GROUPS), len(parts)))
        wanted = factory.finalise(whole).to_list()
        assert combining.finalise(state).to_list() == pytest.approx(wanted, rel=self.tolerance, nan_ok=True)

    def test_its_json_survives(self, factory: AggregatorFactory, nemeton_extensions: Any) -> None:
        """Queries and tasks carry it."""
        json = json_knowing("aggregators", factory, nemeton_extensions)
        assert json.loads(json.dumps(factory), AggregatorFactory) == factory


class AggregatorSuite(AggregatorPromises):
    """Subclass it, and override the fixture `factory`, and `expected` to say what a group's result is."""

    def expected(self, rows: list[dict[str, Any]]) -> Any:
        """The finished aggregate of the rows of one group, computed the slow and plain way."""
        raise NotImplementedError("override `expected`")

    def test_results_are_right(self, factory: AggregatorFactory, columns: Columns) -> None:
        """Group by group, the group without rows too."""
        rows = [
            dict(zip(columns, values, strict=True)) for values in zip(*(v for _, v in columns.values()), strict=True)
        ]
        groups = [[row for i, row in enumerate(rows) if group_of(i) == group] for group in range(NUM_GROUPS)]
        results = factory.finalise(self.aggregated(factory, columns)).to_list()
        assert results == pytest.approx([self.expected(group) for group in groups], nan_ok=True)
