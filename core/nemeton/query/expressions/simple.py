"""Expression functions in their simplest forms: of numbers as arrays, and of texts one by one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nemeton.query.expressions.vec import text
from nemeton.query.vectors import Array
from nemeton.spi.query import ExpressionFunction

if TYPE_CHECKING:
    from nemeton.spi.query import FunctionArgument


class NumericFunction(ExpressionFunction):
    """A function of numbers that is null where one of them is. What is no number counts as null."""

    #: "LONG" or "DOUBLE".
    output_type: ClassVar[str] = "DOUBLE"

    @abstractmethod
    def compute(self, *numbers: Array) -> Any:
        """The values for arrays of doubles (or longs), of which those of constants have length 1."""

    def apply(self, args: Sequence[FunctionArgument], count: int) -> tuple[str, Array, Array | None]:
        """See `ExpressionFunction`."""
        arrays, masks = zip(*(arg.numbers() for arg in args), strict=True) if args else ((), ())
        with np.errstate(all="ignore"):
            values = np.broadcast_to(self.compute(*arrays), count)
        nulls = np.zeros(count, dtype=bool)
        for mask in masks:
            if mask is not None:
                nulls |= mask
        return self.output_type, values, nulls if nulls.any() else None


class TextFunction(ExpressionFunction):
    """A function of texts that is null where one of them is, called once for each combination of distinct values.

    Numbers come as the texts that Druid makes of them.
    """

    #: "STRING", "LONG", "DOUBLE" or an ARRAY type.
    output_type: ClassVar[str] = "STRING"

    @abstractmethod
    def compute(self, *texts: str) -> Any:
        """The value; None for null."""

    def apply(self, args: Sequence[FunctionArgument], count: int) -> tuple[str, Sequence[Any]]:
        """See `ExpressionFunction`."""
        columns = [arg.objects() * (count if arg.is_constant else 1) for arg in args]
        known: dict[tuple[Any, ...], Any] = {}
        values = []
        for row in zip(*columns, strict=True) if columns else [()] * count:
            if row not in known:
                known[row] = None if None in row else self.compute(*(str(text(value)) for value in row))
            values.append(known[row])
        return self.output_type, values
