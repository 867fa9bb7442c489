"""Folding rows into accumulators by an expression: step by step for all groups, or at once where it is known how."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from attrs import field, frozen

from nemeton.common.errors import QueryException
from nemeton.query.expressions.column import array_uses, by_row, single_uses, take_rows
from nemeton.query.expressions.evaluate import Env, uncached
from nemeton.query.expressions.lambdas import accumulator_vec
from nemeton.query.expressions.logic import convert, truth
from nemeton.query.expressions.parser import Call, Identifier, Literal, Node, identifiers
from nemeton.query.expressions.vec import Vec, of_objects, to_array
from nemeton.query.vectors import Array, object_array

#: numpy's function of each that takes numbers; whether null makes the accumulator null, or is left out
_AT_ONCE: dict[str, tuple[Any, bool]] = {
    "+": (np.add, True),
    "*": (np.multiply, True),
    "max": (np.maximum, True),
    "min": (np.minimum, True),
    "greatest": (np.maximum, False),
    "least": (np.minimum, False),
    "bitwiseand": (np.bitwise_and, True),
    "bitwiseor": (np.bitwise_or, True),
    "bitwisexor": (np.bitwise_xor, True),
}
_SETS = ("array_set_add", "array_set_add_all")


@frozen(eq=False, slots=False)
class Fold:
    """A tree that makes a new accumulator (the name `accumulator`, of the type `kind`) of the old one and of a row.

    What it reads of the row alone is computed for all rows first.
    """

    tree: Node
    accumulator: str
    kind: str
    row_parts: dict[str, Node] = field(init=False, factory=dict)
    step: Node = field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.accumulator in single_uses(self.tree) and self.accumulator in array_uses(self.tree):
            raise QueryException(
                QueryException.UNKNOWN,
                f"Invalid expression: [{self.accumulator}] used as both scalar and array variables",
                error_class="org.apache.druid.java.util.common.RE",
            )
        object.__setattr__(self, "step", self._without_rows(self.tree))

    @property
    def inputs(self) -> frozenset[str]:
        """The names that it reads, but for the accumulator."""
        return identifiers(self.tree) - {self.accumulator}

    def _without_rows(self, node: Node) -> Node:
        """The tree with its parts that do not depend on the accumulator as names."""
        names = identifiers(node)
        if self.accumulator in names and isinstance(node, Call):
            return Call(node.name, tuple(self._without_rows(arg) for arg in node.args))
        if not isinstance(node, Call) or not names:
            return node
        name = f"$row{len(self.row_parts)}"
        self.row_parts[name] = node
        return Identifier(name)

    @cached_property
    def _chosen(self) -> tuple[Node, bool, Fold] | None:
        """Of a fold that leaves the accumulator as it is for some rows: the condition, when others fold, and how.

        None where that is not so, or the condition depends on the accumulator.
        """
        tree = self.tree
        if not isinstance(tree, Call) or tree.name.lower() not in ("if", "case_searched") or len(tree.args) != 3:
            return None
        condition, yes, no = tree.args
        unchanged = [isinstance(arg, Identifier) and arg.name == self.accumulator for arg in (yes, no)]
        if self.accumulator in identifiers(condition) or unchanged.count(True) != 1:
            return None
        return condition, unchanged[1], Fold(no if unchanged[0] else yes, self.accumulator, self.kind)

    def run(self, accumulators: Array, ids: Array, columns: Mapping[str, Vec]) -> None:
        """Fold rows into the accumulators (objects, None for null) at `ids` (int64, one per row), in their order."""
        count = len(ids)
        if not count:
            return
        if self._chosen is not None:
            condition, when, inner = self._chosen
            vec = by_row(Env(count, columns.__getitem__, uncached).evaluate(condition), count)
            rows = np.flatnonzero(truth(vec)[0] == when)
            inner.run(accumulators, ids[rows], {name: take_rows(column, rows) for name, column in columns.items()})
            return
        env = Env(count, columns.__getitem__, uncached)
        parts = {name: by_row(env.evaluate(node), count) for name, node in self.row_parts.items()}
        parts.update((name, by_row(vec, count)) for name, vec in columns.items())
        operand = self._operand(parts)
        if operand is not None and self._at_once(accumulators, ids, operand):
            return
        if operand is not None and self._is_set:
            rows = _first_of_each(ids, operand)
            ids, parts = ids[rows], {name: take_rows(vec, rows) for name, vec in parts.items()}
        if operand is not None and self._appends(accumulators, ids, operand):
            return
        self._in_steps(accumulators, ids, parts)

    @property
    def _is_set(self) -> bool:
        return isinstance(self.step, Call) and self.step.name.lower() in _SETS

    def _operand(self, parts: Mapping[str, Vec]) -> Vec | None:
        """What is added to the accumulator, where the tree is a function of those two."""
        step = self.step
        if not isinstance(step, Call) or len(step.args) != 2:
            return None
        first, second = step.args
        if isinstance(first, Identifier) and first.name == self.accumulator:
            other = second
        elif isinstance(second, Identifier) and second.name == self.accumulator and step.name.lower() in _AT_ONCE:
            other = first
        else:
            return None
        if isinstance(other, Literal):
            count = len(next(iter(parts.values())).values) if parts else 0
            return by_row(Env.of_constants().evaluate(other), count) if count else None
        return parts.get(other.name) if isinstance(other, Identifier) else None

    def _at_once(self, accumulators: Array, ids: Array, operand: Vec) -> bool:
        """Numbers by one of numpy's functions; False where it is none of them."""
        assert isinstance(self.step, Call)
        operation, spreads_null = _AT_ONCE.get(self.step.name.lower(), (None, False))
        if operation is None or operand.type not in ("LONG", self.kind) or self.kind not in ("LONG", "DOUBLE"):
            return False
        groups, inverse = np.unique(ids, return_inverse=True)
        old = of_objects(accumulators[groups].tolist(), self.kind)
        nulls, old_nulls = operand.null_mask(), old.null_mask()
        if not spreads_null and (nulls.any() or old_nulls.any()):
            return False
        values, state = operand.values.astype(old.values.dtype, copy=False), old.values
        with np.errstate(over="ignore", invalid="ignore"):
            operation.at(state, inverse[~nulls], values[~nulls])
        old_nulls = old_nulls.copy()
        old_nulls[inverse[nulls]] = True
        found = Vec(self.kind, state, old_nulls if old_nulls.any() else None)
        accumulators[groups] = object_array(found.objects())
        return True

    def _appends(self, accumulators: Array, ids: Array, operand: Vec) -> bool:
        """Arrays that grow by an element, or by another array; False for another function."""
        assert isinstance(self.step, Call)
        name = self.step.name.lower()
        if name not in ("array_append", "array_concat"):
            return False
        element = self.kind[len("ARRAY<") : -1]
        if name == "array_append":
            added: list[Any] = [[value] for value in convert(operand, element).objects()]
        else:
            added = convert(to_array(operand), self.kind).objects()
        for group in np.unique(ids).tolist():
            old = accumulators[group]
            accumulators[group] = None if old is None else list(old)
        for group, items in zip(ids.tolist(), added, strict=True):
            if items is None:
                accumulators[group] = None
            elif accumulators[group] is not None:
                accumulators[group].extend(items)
        return True

    def _in_steps(self, accumulators: Array, ids: Array, parts: Mapping[str, Vec]) -> None:
        """The k-th row of every group at a time."""
        for rows in steps_of(ids):
            groups = ids[rows]
            known: dict[str, Vec] = {self.accumulator: accumulator_vec(accumulators[groups].tolist(), self.kind)}
            found = self._one_step(rows, known, parts)
            values = found.objects() * len(rows) if found.is_constant else found.objects()
            accumulators[groups] = object_array(values)

    def _one_step(self, rows: Array, known: dict[str, Vec], parts: Mapping[str, Vec]) -> Vec:
        def column(name: str) -> Vec:
            if name not in known:
                known[name] = take_rows(parts[name], rows)
            return known[name]

        found = Env(len(rows), column, uncached).evaluate(self.step).decoded()
        return found if found.type in (self.kind, None) else convert(found, self.kind)


def steps_of(ids: Array) -> list[Array]:
    """Rows in so many steps that each has one row of a group, and those of a group come in their order."""
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    lengths = np.diff(np.append(starts, len(ids)))
    ranks = np.arange(len(ids)) - np.repeat(starts, lengths)
    by_rank = np.argsort(ranks, kind="stable")
    ends = np.cumsum(np.bincount(ranks))
    return np.split(order[by_rank], ends[:-1])


def _first_of_each(ids: Array, operand: Vec) -> Array:
    """The first row of each group and value."""
    seen: set[Any] = set()
    first = []
    for row, (group, value) in enumerate(zip(ids.tolist(), operand.objects(), strict=True)):
        key = (group, tuple(value) if isinstance(value, list) else value)
        if key not in seen:
            seen.add(key)
            first.append(row)
    return np.array(first, dtype=np.int64)
