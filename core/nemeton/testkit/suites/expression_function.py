"""What every function of the expression language owes whoever evaluates it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from nemeton.spi.query import ExpressionFunction
from nemeton.testkit.suites.aggregator import NUM_ROWS, Columns, blocks_of, sample_columns


class ExpressionFunctionSuite:
    """Subclass it, and override the fixtures `function` and `names`, and `expected` to say the value of a row.

    Arguments are columns of `sample_columns` (or of the fixture `columns`, overridden).
    """

    @pytest.fixture
    def function(self) -> ExpressionFunction:
        """The function that is tested."""
        raise NotImplementedError("override the fixture `function`")

    @pytest.fixture
    def names(self) -> Sequence[str]:
        """The columns that are its arguments."""
        raise NotImplementedError("override the fixture `names`")

    @pytest.fixture
    def columns(self) -> Columns:
        """The rows: name → type and values."""
        return sample_columns()

    def expected(self, *values: Any) -> Any:
        """The value for these arguments, computed in the plain way; None for null."""
        raise NotImplementedError("override `expected`")

    # ---- helpers

    @pytest.fixture
    def called(self, function: ExpressionFunction) -> Any:
        """A name under which expressions find the function while the test runs."""
        from nemeton.query.expressions.evaluate import FUNCTIONS, register_class

        register_class("testkit_function", function)
        yield "testkit_function"
        del FUNCTIONS["testkit_function"]

    def values(self, expression: str, columns: Columns, size: int = NUM_ROWS) -> list[Any]:
        """The expression's values by row."""
        from nemeton.query.expressions.column import ExpressionColumn

        column = ExpressionColumn.of(expression)
        return [value for block in blocks_of(columns, size=size) for value in column.vector(block).to_list()]

    def whole(self, called: str, names: Sequence[str]) -> str:
        """A call with the columns."""
        return f"{called}({','.join(names)})"

    # ---- promises

    def test_values_are_right(self, called: str, names: Sequence[str], columns: Columns) -> None:
        """Row by row, nulls among the arguments."""
        rows = zip(*(columns[name][1] for name in names), strict=True)
        wanted = [self.expected(*row) for row in rows]
        assert self.values(self.whole(called, names), columns) == pytest.approx(wanted, nan_ok=True)

    @pytest.mark.parametrize("size", [1, 7, 499])
    def test_the_size_of_blocks_does_not_matter(
        self, called: str, names: Sequence[str], columns: Columns, size: int
    ) -> None:
        """Down to a row at a time."""
        call = self.whole(called, names)
        assert self.values(call, columns, size) == pytest.approx(self.values(call, columns), nan_ok=True)

    def test_constants_stand_for_all_rows(self, called: str, names: Sequence[str], columns: Columns) -> None:
        """Each argument in turn, and all at once, as a literal."""
        from nemeton.sql.native.text import literal

        row = next(i for i in range(NUM_ROWS) if all(columns[name][1][i] is not None for name in names))
        constants = {name: columns[name][1][row] for name in names}
        for fixed in [*([name] for name in names), list(names)]:
            told = {**columns, **{name: (columns[name][0], [constants[name]] * NUM_ROWS) for name in fixed}}
            call = f"{called}({','.join(literal(constants[name]) if name in fixed else name for name in names)})"
            wanted = self.values(self.whole(called, names), told)
            assert self.values(call, columns) == pytest.approx(wanted, nan_ok=True)

    def test_it_says_how_many_arguments_it_takes(self, function: ExpressionFunction, names: Sequence[str]) -> None:
        """Others are refused before it is called."""
        least, most = function.arguments
        assert 0 <= least <= len(names)
        assert most is None or most >= len(names)

    def test_its_type_does_not_hang_on_the_rows(self, function: ExpressionFunction, names: Sequence[str]) -> None:
        """A block of nulls has the same type."""
        from nemeton.query.expressions.vec import of_objects

        nulls = [of_objects([None, None], "STRING") for _ in names]
        kind = function.apply(nulls, 2)[0]
        assert kind in ("LONG", "DOUBLE", "STRING") or kind.startswith(("ARRAY<", "COMPLEX<"))
        assert len(function.apply(nulls, 2)[1]) == 2
