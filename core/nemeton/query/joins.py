"""Joins by hash: the condition, the right side prepared, and the rows of a segment with their partners.

Druid: JoinConditionAnalysis, IndexedTable and HashJoinEngine.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
from attrs import frozen

from nemeton.common.errors import QueryException, illegal_state, resource_limit
from nemeton.query.derived import DerivedSegment, Part
from nemeton.query.engines.table import numeric_bits
from nemeton.query.expressions.column import ExpressionColumn
from nemeton.query.expressions.evaluate import Env
from nemeton.query.expressions.parser import Call, Identifier, Node, identifiers, parse
from nemeton.query.expressions.vec import text
from nemeton.query.source import RowBlock, SegmentSource
from nemeton.query.vectors import (
    DTYPES,
    AnyVector,
    Array,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    any_of_rows,
    null_mask,
)

if TYPE_CHECKING:
    from nemeton.model.columns import Segment
    from nemeton.query.model.derived_sources import JoinType
    from nemeton.spi.query import DataSource

NO_MATCH = -1
MAX_FILTER_VALUES = 10_000
MAX_ROWS = 2**27
"""What one segment may become; its row numbers alone then take 2 GiB."""


@frozen
class Equality:
    """An expression on the left that has to equal a column of the right; null equals null if `include_null`."""

    left: ExpressionColumn
    right_column: str
    include_null: bool


@frozen
class JoinCondition:
    """Equalities that all have to hold; or, without any, a constant: all rows are partners, or none."""

    equalities: tuple[Equality, ...]
    constant: bool = True

    @staticmethod
    @functools.lru_cache(maxsize=256)
    def parse(condition: str, prefix: str) -> JoinCondition:
        """The condition of an expression. Raises for one that no hash can answer."""
        parts = _conjuncts(parse(condition))
        found = [_equality(part, prefix) for part in parts]
        equalities = tuple(each for each in found if each is not None)
        others = [part for part, each in zip(parts, found, strict=True) if each is None]
        if not others:
            return JoinCondition(equalities)
        if equalities and all(_is_constant(part) for part in others) and not all(_truth(part) for part in others):
            return JoinCondition((), constant=False)
        if equalities or not all(_is_constant(part) for part in others):
            raise _not_joinable(f"by the condition [{condition}], which is more than equalities with its columns")
        return JoinCondition((), constant=all(_truth(part) for part in others))


def _conjuncts(node: Node) -> list[Node]:
    if isinstance(node, Call) and node.name == "&&":
        return [part for arg in node.args for part in _conjuncts(arg)]
    return [node]


def _equality(node: Node, prefix: str) -> Equality | None:
    if not isinstance(node, Call) or node.name.lower() not in ("==", "notdistinctfrom") or len(node.args) != 2:
        return None
    for left, right in (node.args, node.args[::-1]):
        if isinstance(right, Identifier) and _is_of(right.name, prefix):
            if any(_is_of(name, prefix) for name in identifiers(left)):
                continue
            return Equality(ExpressionColumn(left), right.name[len(prefix) :], node.name != "==")
    return None


def _is_of(name: str, prefix: str) -> bool:
    return len(name) > len(prefix) and name.startswith(prefix)


def _is_constant(node: Node) -> bool:
    return not identifiers(node)


def _truth(node: Node) -> bool:
    values = Env.of_constants().evaluate(node).values
    return bool(len(values) and values[0] not in (None, 0, "", "false"))


class KeyIndex:
    """The distinct values of one column of the right side, by code."""

    def __init__(self, vector: AnyVector, *, include_null: bool) -> None:
        if isinstance(vector, MultiStringVector):
            raise _unsupported_key("a multi-value dimension")
        if isinstance(vector, ObjectVector):
            raise _unsupported_key("ARRAY columns")
        self._include_null = include_null
        nulls = null_mask(vector)
        self._type = str(vector.type)
        self.is_of_strings = isinstance(vector, StringVector)
        if isinstance(vector, NumericVector):
            self._keys = np.unique(numeric_bits(vector.values[~nulls]))
            codes = np.searchsorted(self._keys, numeric_bits(vector.values))
        else:
            self._by_value = {value: code for code, value in enumerate(vector.dictionary.values) if value is not None}
            self._keys = np.arange(vector.dictionary.size)
            codes = vector.codes.astype(np.int64)
        self._null = len(self._keys) if include_null else NO_MATCH
        self.size = len(self._keys) + 1
        self.codes: Array = np.where(nulls, self._null, codes)
        """By row of the right side; `NO_MATCH` where nothing may equal it."""

    def find(self, block: RowBlock, expression: ExpressionColumn) -> Array:
        """The code of what the expression gives, by row of the block."""
        if self._type in DTYPES:
            return self._find_numbers(block, expression)
        vector = expression.vector(block)
        if isinstance(vector, MultiStringVector):
            if (vector.lengths > 1).any():
                raise _unsupported_key("a multi-value dimension")
            vector = vector.explode()[1]
        if isinstance(vector, StringVector):
            by_code = [self._code(value) for value in vector.dictionary.values]
            return cast("Array", np.array(by_code, dtype=np.int64)[vector.codes])
        if isinstance(vector, ObjectVector):
            raise _unsupported_key("ARRAY columns")
        return np.array([self._code(None if v is None else text(v)) for v in vector.to_list()], dtype=np.int64)

    def holds(self, values: Iterable[str | None]) -> Array:
        """Whether each value is that of a row; of a key of strings."""
        codes = np.array([self._code(value) for value in values], dtype=np.int64)
        held: Array = (codes != NO_MATCH) & np.isin(codes, self.codes)
        return held

    def _code(self, value: str | None) -> int:
        return self._null if value is None else self._by_value.get(value, NO_MATCH)

    def _find_numbers(self, block: RowBlock, expression: ExpressionColumn) -> Array:
        vector = expression.vector(block)
        if isinstance(vector, ObjectVector):
            raise _unsupported_key("ARRAY columns")
        values, nulls = expression.numbers(block, self._type)
        bits = numeric_bits(values)
        if not len(self._keys):
            codes = np.full(len(bits), NO_MATCH, dtype=np.int64)
        else:
            at = np.minimum(np.searchsorted(self._keys, bits), len(self._keys) - 1)
            codes = np.where(self._keys[at] == bits, at, NO_MATCH)
        return codes if nulls is None else np.where(nulls, self._null, codes)


def _not_joinable(why: str) -> QueryException:
    return illegal_state(f"dataSource is not joinable: {why}")


def _unsupported_key(what: str) -> QueryException:
    return QueryException(
        QueryException.UNSUPPORTED,
        f"Joining against {what} is not supported.",
        error_class="org.apache.druid.query.QueryUnsupportedException",
    )


class JoinTable:
    """The right side of a join, in order of its keys. Immutable; threads share it."""

    def __init__(self, source: DataSource, condition: JoinCondition) -> None:
        segment = source.local_segment()
        if segment is None:
            raise _not_joinable(f"[{type(source).__name__}], since it has no rows here")
        self.segment = source.map_segment(segment, ())
        self.condition = condition
        self.num_rows = self.segment.num_rows
        right = SegmentSource(self.segment)
        missing = {each.right_column for each in condition.equalities} - set(self.segment.column_names)
        if missing:
            raise _not_joinable(f"by the columns {sorted(missing)}; it has {self.segment.column_names}")
        self._indexes = [
            KeyIndex(right.read(each.right_column, 0, self.num_rows), include_null=each.include_null)
            for each in condition.equalities
        ]
        if self._indexes:
            keys, valid = self._combined([index.codes for index in self._indexes])
            rows = np.flatnonzero(valid)
            self._order: Array = rows[np.argsort(keys[rows], kind="stable")]
            self._keys, self._counts = np.unique(keys[self._order], return_counts=True)
            self._starts = np.cumsum(self._counts) - self._counts

    def _combined(self, codes: list[Array]) -> tuple[Array, Array]:
        """One key of the codes of all equalities, and where there is one."""
        key, valid = codes[0], codes[0] >= 0
        size = self._indexes[0].size
        for index, more in zip(self._indexes[1:], codes[1:], strict=True):
            size *= index.size
            if size >= 2**62:
                raise _not_joinable("by columns of so many different values")
            key = key * index.size + more
            valid &= more >= 0
        return key, valid

    def partners(self, left: Segment) -> tuple[Array, Array]:
        """How many partners each row of the left has, and the right rows: those of the first, of the second, …"""
        if not self._indexes:
            each = self.num_rows if self.condition.constant else 0
            counts = np.full(left.num_rows, each, dtype=np.int64)
            _check_size(counts)
            return counts, np.tile(np.arange(each), left.num_rows)
        block = RowBlock(SegmentSource(left), 0, left.num_rows)
        codes = [
            index.find(block, equality.left)
            for index, equality in zip(self._indexes, self.condition.equalities, strict=True)
        ]
        keys, valid = self._combined(codes)
        if not len(self._keys):
            return np.zeros(left.num_rows, dtype=np.int64), np.zeros(0, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        found = valid & (self._keys[at] == keys)
        counts = np.where(found, self._counts[at], 0)
        _check_size(counts)
        firsts = np.repeat(self._starts[at] - (np.cumsum(counts) - counts), counts)
        return counts, self._order[firsts + np.arange(len(firsts))]

    def met_by_lists(self, left: Segment) -> Array | None:
        """The rows of a left whose key is a column of several values a row, of which any is a key here.

        None for any other left, and where that is not what Druid does: for keys that are numbers, occur twice, or are
        too many.
        """
        if len(self._indexes) != 1 or len(self._keys) > MAX_FILTER_VALUES or (self._counts > 1).any():
            return None
        tree = self.condition.equalities[0].left.tree
        if not isinstance(tree, Identifier) or not self._indexes[0].is_of_strings:
            return None
        if not getattr(left.column(tree.name), "has_multiple_values", False):
            return None
        vector = SegmentSource(left).read(tree.name, 0, left.num_rows)
        if not isinstance(vector, MultiStringVector) or not (vector.lengths > 1).any():
            return None
        met = any_of_rows(self._indexes[0].holds(vector.dictionary.values)[vector.codes], vector.offsets)
        return np.flatnonzero(met | ((vector.lengths == 0) & self._indexes[0].holds([None])))


class Unread:
    """The right side of a join that only chooses rows of the left, as Druid then does; its columns cannot be read."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segment, name)

    def column(self, name: str) -> NoReturn:
        """Refused."""
        raise _unsupported_key("a multi-value dimension")


def _check_size(counts: Array) -> None:
    if int(counts.sum()) > MAX_ROWS:
        raise resource_limit(f"A join makes more than {MAX_ROWS} rows of one segment; join by a narrower condition")


def joined(left: Segment, table: JoinTable, prefix: str, join_type: JoinType) -> Segment:
    """The rows of the left, each with its partners in the order of the right; then the right's that have none."""
    met = table.met_by_lists(left) if join_type.is_inner else None
    ordered = getattr(left, "is_time_ordered", None) or None
    inside = getattr(left, "is_in_intervals", False)
    if met is not None:
        parts = [Part(cast("Segment", Unread(table.segment)), met, prefix), Part(left, met)]
        return DerivedSegment(parts, len(met), is_time_ordered=ordered, is_in_intervals=inside)
    counts, right_rows = table.partners(left)
    single = bool((counts == 1).all())
    left_rows = None if single else np.repeat(np.arange(left.num_rows), counts)
    if join_type.keeps_left and not single:
        left_rows, right_rows = _with_lonely(counts, right_rows)
        single = len(left_rows) == left.num_rows and bool((counts <= 1).all())
        left_rows = None if single else left_rows
    rest = np.zeros(0, dtype=np.int64)
    if join_type.keeps_right:
        seen = np.zeros(table.num_rows + 1, dtype=bool)
        seen[right_rows] = True  # -1 meets the last, which stands for no row
        rest = np.flatnonzero(~seen[:-1])
        if len(rest):
            left_rows = np.arange(left.num_rows) if left_rows is None else left_rows
            # these count to the last bucket of time that was read, as in Druid
            left_rows = np.concatenate([left_rows, np.full(len(rest), NO_MATCH)])
            right_rows = np.concatenate([right_rows, rest])
    return DerivedSegment(
        [Part(table.segment, right_rows, prefix), Part(left, left_rows)],
        len(right_rows),
        is_time_ordered=False if len(rest) else ordered,
        is_in_intervals=join_type.keeps_right or inside,
    )


def _with_lonely(counts: Array, right_rows: Array) -> tuple[Array, Array]:
    """The rows with those of the left that have no partner among them."""
    widened = np.maximum(counts, 1)
    rows = np.full(int(widened.sum()), NO_MATCH, dtype=np.int64)
    rows[np.repeat(counts > 0, widened)] = right_rows
    return np.repeat(np.arange(len(counts)), widened), rows
