"""How a SQL function is described: its operands, its result type, and how it is written as a native expression.

The scalar functions of core and of extensions are :class:`SqlFunction` objects, handed over by the hook
``sql_functions``; there is no other way for a function to become known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.sql.errors import invalid_sql
from nemeton.sql.rex import Call, Literal, Rex
from nemeton.sql.types import SqlType

if TYPE_CHECKING:
    from nemeton.sql.errors import Where
    from nemeton.sql.functions.aggregates import SqlAggregator
    from nemeton.sql.native.expressions import ExpressionWriter
    from nemeton.sql.native.virtual import Columns

ResultType = Callable[[Sequence[Rex]], SqlType]
NativeBuilder = Callable[["ExpressionWriter", Call], str]
ConditionBuilder = Callable[["Columns", Call], "dict[str, Any] | None"]

_FAMILIES: Mapping[str, Callable[[SqlType], bool]] = {
    "ANY": lambda t: True,
    "CHARACTER": lambda t: t.is_character,
    "NUMERIC": lambda t: t.is_numeric,
    "INTEGER": lambda t: t.is_integer,
    "TIMESTAMP": lambda t: t.is_datetime,
    "BOOLEAN": lambda t: t.is_boolean,
    "ARRAY": lambda t: t.is_array,
}


@frozen
class SqlFunction:
    """A scalar SQL function.

    `operands` are families (``CHARACTER``, ``NUMERIC``, ``INTEGER``, ``TIMESTAMP``, ``BOOLEAN``, ``ARRAY``, ``ANY``);
    those from position `required` on may be left out, and the last may repeat when `variadic`. `native` writes the call
    as a native expression. `literals` are positions that must hold constants. `condition`, for functions that give a
    BOOLEAN, writes a call in WHERE, HAVING or FILTER as a native filter, or gives None where it cannot; without it the
    filter is an expression.
    """

    name: str
    operands: tuple[str, ...]
    result: ResultType
    native: NativeBuilder
    required: int | None = None
    variadic: bool = False
    literals: tuple[int, ...] = ()
    condition: ConditionBuilder | None = None

    def check(self, args: Sequence[Rex], where: Where) -> None:
        """Raise INVALID_INPUT unless the arguments fit; strings stand in for timestamps and numbers nowhere."""
        least = len(self.operands) if self.required is None else self.required
        if len(args) < least or (not self.variadic and len(args) > len(self.operands)):
            raise no_match(self.name, args, where)
        for position, arg in enumerate(args):
            family = self.operands[min(position, len(self.operands) - 1)]
            if arg.type.name != "NULL" and not _FAMILIES[family](arg.type):
                shown = ", ".join(f"<{a.type}>" for a in args)
                raise invalid_sql(
                    f"Cannot apply '{self.name}' to arguments of type '{self.name}({shown})'. "
                    f"Supported form(s): {self.signature}",
                    where,
                )
        for position in self.literals:
            if position < len(args) and not isinstance(args[position], Literal):
                raise invalid_sql(f"Argument {position + 1} of {self.name} must be a literal", where)

    @property
    def signature(self) -> str:
        """As INFORMATION_SCHEMA.ROUTINES shows it."""
        least = len(self.operands) if self.required is None else self.required
        shown = ", ".join(f"<{family}>" for family in self.operands[:least])
        closing = 0
        for family in self.operands[least:]:
            shown += f"{', ' if shown else ''}[<{family}>"
            closing += 1
        return f"'{self.name}({shown}{']' * closing})'"


def no_match(name: str, args: Sequence[Rex], where: Where) -> Exception:
    """The error for a call that no known function takes."""
    families = ", ".join(f"<{arg.type.family}>" for arg in args)
    return invalid_sql(f"No match found for function signature {name}({families})", where)


def returns(result: SqlType) -> ResultType:
    """A fixed result type, nullable when an argument is."""
    return lambda args: result.with_nullable(any(arg.type.nullable for arg in args))


def always(result: SqlType) -> ResultType:
    """A fixed result type, whatever the arguments."""
    return lambda args: result


def like_argument(position: int = 0) -> ResultType:
    """The type of one argument."""
    return lambda args: args[position].type


def call(native_name: str) -> NativeBuilder:
    """A native function of the same arguments."""
    return lambda writer, rex: f"{native_name}({','.join(writer.write(arg) for arg in rex.args)})"


def only_condition(writer: ExpressionWriter, rex: Call) -> str:
    """For functions that are a native filter and no expression: refuses them as a value."""
    return writer.unsupported(rex)


def template(text: str) -> NativeBuilder:
    """A native expression with ``{0}``, ``{1}``, … for the arguments."""
    return lambda writer, rex: text.format(*(writer.write(arg) for arg in rex.args))


class FunctionTable:
    """The scalar and aggregate functions known to one server, by upper-case name. Immutable, thread-safe."""

    def __init__(self, functions: Iterable[SqlFunction], aggregators: Iterable[SqlAggregator]) -> None:
        self._functions = {function.name: function for function in functions}
        self._aggregators = {aggregator.name: aggregator for aggregator in aggregators}

    def function(self, name: str) -> SqlFunction | None:
        """The scalar function of that name in any case, or None."""
        return self._functions.get(name.upper())

    def aggregator(self, name: str) -> SqlAggregator | None:
        """The aggregate function of that name in any case, or None."""
        return self._aggregators.get(name.upper())

    def functions(self) -> list[SqlFunction]:
        """The scalar functions by name."""
        return [self._functions[name] for name in sorted(self._functions)]

    def aggregators(self) -> list[SqlAggregator]:
        """The aggregate functions by name."""
        return [self._aggregators[name] for name in sorted(self._aggregators)]
