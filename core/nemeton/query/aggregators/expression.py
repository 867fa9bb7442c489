"""The expression aggregator: rows are folded into an accumulator, and accumulators combined, by expressions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, evolve, field, frozen

from nemeton.common.errors import illegal_state, invalid_input
from nemeton.common.units import HumanReadableBytes
from nemeton.json import wire
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.aggregators.base import grown
from nemeton.query.aggregators.folding import Fold, steps_of
from nemeton.query.engines.table import natural_ranks
from nemeton.query.expressions.column import by_row, single_uses, to_vec, to_vector
from nemeton.query.expressions.evaluate import Env, check_functions, uncached
from nemeton.query.expressions.failures import failed
from nemeton.query.expressions.parser import identifiers, parse
from nemeton.query.expressions.types import output_type
from nemeton.query.expressions.vec import Vec, of_objects
from nemeton.query.vectors import Array, MultiStringVector, is_none, null_mask, object_array
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.query.vectors import AnyVector
    from nemeton.spi.query import Block, Vector

_LEAST_SIZE = 10
_DEFAULT_SIZE = HumanReadableBytes(1024)


@define
class FoldState:
    """An accumulator per group as a Python object (None: null), which counts only where the group has `seen` a row.

    `is_fresh` are groups into which nothing was taken, not even another state's group without rows.
    """

    values: Array
    seen: Array
    is_fresh: Array

    def results(self) -> Array:
        """The accumulators that count, else None."""
        out = self.values.copy()
        out[~self.seen] = None
        return out


@json_type("expression")
@frozen(kw_only=True)
class ExpressionLambdaAggregatorFactory(AggregatorFactory):
    """`fold` makes the new accumulator of the old one and of the fields of a row, `combine` one of two of them.

    Without fields the column of that name holds accumulators, which are combined. `finalize` makes of `o` what is
    shown, `compare` of `o1` and `o2` how they are ordered.
    """

    name: str
    fields: tuple[str, ...] | None = None
    accumulator_identifier: str = "__acc"
    initial_value: str
    initial_combine_value: str | None = None
    is_null_unless_aggregated: bool = True
    should_aggregate_null_inputs: bool = True
    should_combine_aggregate_null_inputs: bool | None = None
    fold: str
    combine: str | None = None
    compare: str | None = None
    finalize: str | None = None
    max_size_bytes: HumanReadableBytes = _DEFAULT_SIZE
    _made: dict[str, Any] = field(init=False, eq=False, repr=False, factory=dict, metadata=wire(skip=True))

    def __attrs_post_init__(self) -> None:
        if self.combine is None and len(self.fields or ()) != 1:
            raise invalid_input("Must have a single input field if no combine expression is supplied")
        if self.max_size_bytes < _LEAST_SIZE:
            raise invalid_input(f"maxSizeBytes: must be at least {_LEAST_SIZE}")

    def _once(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    # ---- the expressions

    def _constant(self, text: str, what: str) -> Vec:
        tree = parse(text)
        if identifiers(tree):
            raise failed(f"{what} value must be constant", "java.lang.IllegalArgumentException")
        return Env.of_constants().evaluate(tree)

    @property
    def _initial(self) -> Vec:
        found: Vec = self._once("initial", lambda: self._constant(self.initial_value, "initial"))
        return found

    @property
    def _initial_combine(self) -> Vec:
        text = self.initial_value if self.initial_combine_value is None else self.initial_combine_value
        found: Vec = self._once("initial combine", lambda: self._constant(text, "initial combining"))
        return found

    @property
    def _combine_text(self) -> str:
        """As Druid makes it of the fold of a single field: letters for letters."""
        return self.combine or self.fold.replace((self.fields or ("",))[0], self.name)

    def _fold_of(self, text: str, kind: str | None) -> Fold:
        found: Fold = self._once(
            f"fold {text}", lambda: Fold(parse(text), self.accumulator_identifier, kind or "STRING")
        )
        return found

    @property
    def _combining(self) -> Fold:
        return self._fold_of(self._combine_text, self._initial_combine.type)

    @property
    def _row_fold(self) -> Fold:
        return self._fold_of(self.fold, self._initial.type) if self.fields else self._combining

    @property
    def _combines_nulls(self) -> bool:
        given = self.should_combine_aggregate_null_inputs
        return self.should_aggregate_null_inputs if given is None else given

    def required_columns(self) -> frozenset[str]:
        """What the fold reads; in a combining one what the combination does."""
        return self._row_fold.inputs

    @property
    def intermediate_type(self) -> ColumnType:
        """The initial value's."""
        initial = self._initial if self.fields else self._initial_combine
        return ColumnType.parse(initial.type or "STRING")

    @property
    def result_type(self) -> ColumnType:
        """What the final expression gives; without one the accumulator's type."""
        kind = self._initial_combine.type or "STRING"
        if self.finalize is None:
            return ColumnType.parse(kind)
        return ColumnType.parse(output_type(parse(self.finalize), {"o": kind}.get) or kind)

    # ---- rows

    def init(self, num_groups: int) -> FoldState:
        """The initial value, which does not count before there is a row unless the query says so."""
        check_functions(self._row_fold.tree)
        value = (self._initial if self.fields else self._initial_combine).objects()[0]
        seen = np.full(num_groups, not self.is_null_unless_aggregated)
        return FoldState(object_array([value] * num_groups), seen, np.ones(num_groups, dtype=bool))

    def resize(self, state: FoldState, num_groups: int) -> FoldState:
        """Initial values added."""
        more = self.init(num_groups - len(state.values))
        values = np.concatenate([state.values, more.values])
        return FoldState(
            values,
            grown(state.seen, num_groups, not self.is_null_unless_aggregated),
            grown(state.is_fresh, num_groups, True),
        )

    def aggregate(self, state: FoldState, block: Block, group_ids: Array) -> None:
        """Fold the rows, in their order. A multi-value column that is used as a single value gives a row for each."""
        fold = self._row_fold
        vectors: dict[str, Any] = {name: block.vector(name) for name in sorted(fold.inputs)}
        singles = single_uses(fold.tree)
        ids = group_ids
        nulls_count = self.should_aggregate_null_inputs if self.fields else self._combines_nulls
        if not nulls_count and vectors:
            missing = [_is_null(vector, name in singles) for name, vector in vectors.items()]
            rows = np.flatnonzero(~np.logical_or.reduce(missing))
            ids, vectors = ids[rows], {name: vector.take(rows) for name, vector in vectors.items()}
        for name in sorted(singles & set(vectors)):
            if isinstance(vectors[name], MultiStringVector):
                rows, single = vectors[name].explode()
                vectors = {n: single if n == name else vector.take(rows) for n, vector in vectors.items()}
                ids = ids[rows]
        columns = {name: by_row(to_vec(block, name, vector), len(ids)) for name, vector in vectors.items()}
        fold.run(state.values, ids, columns)
        state.seen[ids] = True
        state.is_fresh[ids] = False
        self._check_size(state.values[np.unique(ids)], fold.kind)

    def _check_size(self, values: Array, kind: str) -> None:
        if kind in ("LONG", "DOUBLE"):
            return
        for value in values:
            size = _size(value)
            if size > self.max_size_bytes:
                raise illegal_state(
                    f"Exceeded memory usage when aggregating type [{kind}], size [{size}] is larger than max "
                    f"[{self.max_size_bytes}]"
                )

    def merge(self, state: FoldState, other: FoldState, group_ids: Array) -> None:
        """Combine: the first that comes to a group as it is, each later one by the expression."""
        given = other.results()
        rows = np.arange(len(group_ids))
        _, firsts = np.unique(group_ids, return_index=True)
        firsts = firsts[state.is_fresh[group_ids[firsts]]]
        taken = group_ids[firsts]
        state.values[taken], state.seen[taken], state.is_fresh[taken] = given[firsts], other.seen[firsts], False
        rows = np.delete(rows, firsts)
        if not self._combines_nulls:
            rows = rows[~is_none(given[rows])]
        later = np.unique(group_ids[rows])
        state.values[later] = np.where(state.seen[later], state.values[later], None)
        for step in _in_turn(group_ids, rows):
            self._combine_step(state, given, group_ids, step)
        state.seen[group_ids[rows]] = True

    def _combine_step(self, state: FoldState, given: Array, group_ids: Array, rows: Array) -> None:
        """Rows of different groups; null is replaced by the other, unless nulls are combined."""
        ids = group_ids[rows]
        if not self._combines_nulls:
            is_null = is_none(state.values[ids])
            state.values[ids[is_null]] = given[rows[is_null]]
            rows, ids = rows[~is_null], ids[~is_null]
        kind = self._initial_combine.type or "STRING"
        self._combining.run(state.values, ids, {self.name: of_objects(given[rows].tolist(), kind)})

    # ---- results

    def take(self, state: FoldState, groups: Array) -> FoldState:
        """These groups."""
        return FoldState(state.values[groups], state.seen[groups], state.is_fresh[groups])

    def finalise(self, state: FoldState) -> Vector:
        """The accumulators, through the final expression when there is one."""
        if self.finalize is None:
            return self.intermediate(state)
        results = self._vec(state)
        env = Env(len(state.values), {"o": results}.__getitem__, uncached)
        return _vector(env.evaluate(parse(self.finalize)), len(state.values))

    def intermediate(self, state: FoldState) -> Vector:
        """The accumulators."""
        return _vector(self._vec(state), len(state.values))

    def _vec(self, state: FoldState) -> Vec:
        return of_objects(state.results().tolist(), str(self.intermediate_type))

    def ranks(self, state: FoldState) -> Array | None:
        """By the comparing expression; without one by the accumulators, whatever is shown of them."""
        values = _vector(self._vec(state), len(state.values))
        if self.compare is None:
            return natural_ranks(values)
        items = values.to_list()
        distinct = {repr(item): item for item in items}
        kind = self._initial_combine.type or "STRING"
        tree = parse(self.compare)
        pairs = [(a, b) for a in distinct.values() for b in distinct.values()]
        columns = {
            "o1": of_objects([a for a, _ in pairs], kind),
            "o2": of_objects([b for _, b in pairs], kind),
        }
        found = by_row(Env(len(pairs), columns.__getitem__, uncached).evaluate(tree), len(pairs))
        order = dict(zip(((repr(a), repr(b)) for a, b in pairs), found.objects(), strict=True))
        return _ranks([repr(item) for item in items], order)

    def combining_factory(self) -> AggregatorFactory:
        """The one that combines the column of this name."""
        return evolve(self, fields=None, combine=self._combine_text)

    def to_wire(self, state: FoldState) -> list[Any]:
        """The accumulators."""
        return list(state.results().tolist())

    def from_wire(self, values: Sequence[Any]) -> FoldState:
        """The accumulators of those groups, null or not."""
        kind = str(self.intermediate_type)
        read = of_objects([float(v) if kind == "DOUBLE" and v is not None else v for v in values], kind).objects()
        return FoldState(object_array(read), np.ones(len(read), dtype=bool), np.zeros(len(read), dtype=bool))


def _is_null(vector: AnyVector, is_single: bool) -> Array:
    """Where a field of a row is null: never where each of several values is folded by itself."""
    if is_single and isinstance(vector, MultiStringVector):
        return np.zeros(len(vector), dtype=bool)
    return null_mask(vector)


def _vector(vec: Vec, count: int) -> AnyVector:
    return to_vector(None, by_row(vec, count), count, vec.type)  # type: ignore[arg-type]  # nothing is cached


def _in_turn(group_ids: Array, rows: Array) -> list[Array]:
    return [rows[step] for step in steps_of(group_ids[rows])] if len(rows) else []


def _size(value: Any) -> int:
    """How many bytes Druid reckons with."""
    if value is None:
        return 1
    if isinstance(value, list):
        return 5 + sum(map(_size, value))
    return 5 + len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else 9


def _ranks(keys: list[str], order: dict[tuple[str, str], Any]) -> Array:
    def compared(a: str, b: str) -> int:
        return order[a, b] or 0

    distinct = sorted(set(keys), key=functools.cmp_to_key(compared))
    places: dict[str, int] = {}
    place = -1
    for at, key in enumerate(distinct):
        if at == 0 or order[distinct[at - 1], key]:
            place += 1
        places[key] = place
    return np.array([places[key] for key in keys], dtype=np.int64)
