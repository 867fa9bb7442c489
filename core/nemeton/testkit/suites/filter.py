"""What every filter owes the query engines."""

from __future__ import annotations

from typing import Any

import pytest

from nemeton.spi.query import DimFilter
from nemeton.testkit.isolation import json_knowing
from nemeton.testkit.suites.aggregator import NUM_ROWS, Columns, blocks_of, sample_columns


class FilterSuite:
    """Subclass it, and override the fixture `condition`, and `expected` to say whether a row meets it.

    The filter reads columns of `sample_columns` (or of the fixture `columns`, overridden).
    """

    @pytest.fixture
    def condition(self) -> DimFilter:
        """The filter that is tested."""
        raise NotImplementedError("override the fixture `condition`")

    @pytest.fixture
    def columns(self) -> Columns:
        """The rows: name → type and values."""
        return sample_columns()

    def expected(self, row: dict[str, Any]) -> bool | None:
        """Whether the row meets the condition, decided in the plain way; None when that is unknown, as for nulls."""
        raise NotImplementedError("override `expected`")

    # ---- helpers

    def decided(self, columns: Columns) -> list[bool | None]:
        """`expected` of all rows."""
        rows = zip(*(values for _, values in columns.values()), strict=True)
        return [self.expected(dict(zip(columns, row, strict=True))) for row in rows]

    def found(self, condition: DimFilter, columns: Columns, include_unknown: bool, size: int = NUM_ROWS) -> list[bool]:
        """What the filter says, in blocks of that size."""
        return [
            bool(hit)
            for block in blocks_of(columns, size=size)
            for hit in condition.matches(block, include_unknown).tolist()
        ]

    # ---- promises

    def test_it_is_true_where_the_condition_holds(self, condition: DimFilter, columns: Columns) -> None:
        """Neither where it does not, nor where that is unknown."""
        assert self.found(condition, columns, False) == [found is True for found in self.decided(columns)]

    def test_its_negation_is_true_where_the_condition_does_not_hold(
        self, condition: DimFilter, columns: Columns
    ) -> None:
        """NOT asks for what may hold: rows of which nothing is known are in neither."""
        negated = [not hit for hit in self.found(condition, columns, True)]
        assert negated == [found is False for found in self.decided(columns)]

    def test_the_rows_tell_both_apart(self, columns: Columns) -> None:
        """Rows that all meet the condition, or none, would test nothing."""
        assert {True, False} <= set(self.decided(columns))

    @pytest.mark.parametrize("size", [1, 7, 499])
    @pytest.mark.parametrize("include_unknown", [False, True])
    def test_the_size_of_blocks_does_not_matter(
        self, condition: DimFilter, columns: Columns, size: int, include_unknown: bool
    ) -> None:
        """Down to a row at a time."""
        whole = self.found(condition, columns, include_unknown)
        assert self.found(condition, columns, include_unknown, size) == whole

    def test_selected_rows(self, condition: DimFilter, columns: Columns) -> None:
        """An `and` may have left some rows of a block."""
        import numpy as np

        (block,) = blocks_of(columns)
        rows = np.arange(0, block.num_rows, 3)
        assert condition.matches(block.select(rows)).tolist() == condition.matches(block)[rows].tolist()

    def test_it_reads_only_the_columns_that_it_names(self, condition: DimFilter, columns: Columns) -> None:
        """Other columns may not be loaded at all."""
        needed = {name: column for name, column in columns.items() if name in condition.required_columns()}
        needed.setdefault("__time", columns["__time"])
        assert self.found(condition, needed, False) == self.found(condition, columns, False)

    def test_a_column_that_is_not_there(self, condition: DimFilter, columns: Columns) -> None:
        """Segments from before a column came: it is null in all rows."""
        whole = {"__time": columns["__time"]}
        names = [name for name in columns if name != "__time"]
        nothing = self.expected({**dict.fromkeys(names), "__time": whole["__time"][1][0]})
        assert set(self.found(condition, whole, False)) == {nothing is True}
        assert set(self.found(condition, whole, True)) == {nothing is not False}

    def test_its_json_survives(self, condition: DimFilter, nemeton_extensions: Any) -> None:
        """Brokers pass it on to data servers."""
        json = json_knowing("filters", condition, nemeton_extensions)
        assert json.loads(json.dumps(condition), DimFilter) == condition
