"""Evaluation of expression trees over the rows of a block."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, evolve

from nemeton.query.expressions.failures import failed, misused
from nemeton.query.expressions.parser import Call, Identifier, Lambda, Literal, Node
from nemeton.query.expressions.vec import Vec, constant, of_objects

if TYPE_CHECKING:
    from nemeton.spi.query import ExpressionFunction


def uncached(key: Hashable, make: Callable[[], Any]) -> Any:
    """For an `Env` that lasts for one evaluation."""
    return make()


@define
class Env:
    """What an evaluation sees: how many rows, their columns, and a cache that lasts for the segment."""

    count: int
    column: Callable[[str], Vec]
    cached: Callable[[Hashable, Callable[[], Any]], Any]

    @classmethod
    def of_constants(cls, count: int = 1) -> Env:
        """One without columns, for as many rows; it raises KeyError where one is read."""

        def column(name: str) -> Vec:
            raise KeyError(name)

        return cls(count, column, uncached)

    def evaluate(self, node: Node) -> Vec:
        """The values of a tree; by row, by distinct value, or constant."""
        if isinstance(node, Literal):
            return constant(node.value, node.type)
        if isinstance(node, Identifier):
            return self.column(node.name)
        if isinstance(node, Lambda):
            raise failed("A lambda may only be the argument of a function that applies it")
        assert isinstance(node, Call)
        return self._call(node)

    def _call(self, node: Call) -> Vec:
        function = find_function(node.name)
        function.check(node)
        if function.apply_trees is not None:
            return function.apply_trees(self, node)
        args = [self.evaluate(arg) for arg in node.args]
        return self.call(function, node, args)

    def call(self, function: Function, node: Call, args: list[Vec]) -> Vec:
        """The values of a function of these arguments: once for constants, else by distinct value or by row."""
        varying = [arg for arg in args if not arg.is_constant]
        if not varying:
            result = function.run(node, args, 1)
            return evolve(result, is_constant=True)
        first = varying[0]
        if first.codes is not None and all(arg.codes is not None and arg.tag == first.tag for arg in varying):
            return self._by_distinct(function, node, args, first)
        return function.run(node, [arg if arg.is_constant else arg.decoded() for arg in args], self.count)

    def _by_distinct(self, function: Function, node: Call, args: list[Vec], first: Vec) -> Vec:
        """Apply to the distinct values only, and remember the outcome for the other blocks of the segment."""

        def make() -> tuple[Vec, Node]:
            plain = [evolve(arg, codes=None, tag=None) for arg in args]
            return function.run(node, plain, len(first.values)), node  # the node stays alive, and its id its own

        result: Vec = self.cached(("expression", id(node), first.tag), make)[0]
        return result if result.is_constant else evolve(result, codes=first.codes, tag=first.tag)


@define
class Function:
    """A function of the language.

    `apply(args, count)` gets one vec per argument, constants with one value, all others with `count` values and none of
    them encoded. With `apply_trees` it gets the trees instead and evaluates what it needs.
    """

    name: str
    min_args: int
    max_args: int | None
    apply: Callable[[list[Vec], int], Vec]
    apply_trees: Callable[[Env, Call], Vec] | None = None
    apply_named: Callable[[Call, list[Vec], int], Vec] | None = None

    def run(self, node: Call, args: list[Vec], count: int) -> Vec:
        """Apply to values; the tree of the call is for error messages."""
        return self.apply(args, count) if self.apply_named is None else self.apply_named(node, args, count)

    def check(self, node: Call) -> None:
        """Refuse a wrong number of arguments."""
        given = len(node.args)
        if given < self.min_args or (self.max_args is not None and given > self.max_args):
            if self.max_args == self.min_args:
                wanted = f"{self.min_args} argument{'' if self.min_args == 1 else 's'}"
            else:
                wanted = (
                    f"at least {self.min_args} arguments"
                    if self.max_args is None
                    else (f"{self.min_args} to {self.max_args} arguments")
                )
            raise misused(self.name, f"requires {wanted}")


FUNCTIONS: dict[str, Function] = {}


def register(name: str, min_args: int, max_args: int | None = -1, *aliases: str) -> Callable[[Any], Any]:
    """Enter a function `f(args, count) -> Vec` under its name (names know no case); -1: exactly `min_args`."""

    def enter(apply: Any) -> Any:
        function = Function(name, min_args, min_args if max_args == -1 else max_args, apply)
        for each in (name, *aliases):
            FUNCTIONS[each.lower()] = function
        return apply

    return enter


def register_trees(name: str, min_args: int, max_args: int | None = -1) -> Callable[[Any], Any]:
    """Enter a function `f(env, node) -> Vec` that evaluates its arguments itself."""

    def enter(apply: Any) -> Any:
        top = min_args if max_args == -1 else max_args
        FUNCTIONS[name.lower()] = Function(name, min_args, top, _never, apply)
        return apply

    return enter


def register_trees_of(name: str, arguments: int) -> Callable[[Any], Any]:
    """Enter a function `f(node, args, count) -> Vec` that is told the call too."""

    def enter(apply: Any) -> Any:
        FUNCTIONS[name.lower()] = Function(name, arguments, arguments, _never, None, apply)
        return apply

    return enter


def register_class(name: str, function: ExpressionFunction) -> None:
    """Enter an extension's function; one of the built-in names is refused."""
    load_functions()
    if name.lower() in FUNCTIONS:
        raise ValueError(f"expression function [{name}] exists already")

    def apply(args: list[Vec], count: int) -> Vec:
        kind, values, *nulls = function.apply(args, count)
        if isinstance(values, np.ndarray) and values.dtype != object:
            dtype = np.int64 if kind == "LONG" else np.float64
            return Vec(kind, values.astype(dtype, copy=False), nulls[0] if nulls else None)
        return of_objects(values, kind)

    least, most = function.arguments
    FUNCTIONS[name.lower()] = Function(name, least, most, apply)


def _never(args: list[Vec], count: int) -> Vec:
    raise AssertionError("takes trees")


def find_function(name: str) -> Function:
    """The function of that name; raises as Druid does when there is none."""
    load_functions()
    found = FUNCTIONS.get(name.lower())
    if found is None:
        raise failed(f"function '{name}' is not defined.", "org.apache.druid.java.util.common.RE")
    return found


def check_functions(tree: Node) -> None:
    """Raise for a function of the tree that is not there, or that gets the wrong number of arguments."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, Lambda):
            pending.append(node.body)
        elif isinstance(node, Call):
            find_function(node.name).check(node)
            pending.extend(node.args)


_MODULES = (
    "operators", "logic", "maths", "strings",
    "formats", "addresses", "times", "jsons", "sketches", "lambdas", "arrays",
)  # fmt: skip


def load_functions() -> None:
    """Import the modules that define the built-in functions; `arrays` last, which is what tells that all are there."""
    if "array_length" not in FUNCTIONS:
        for module in _MODULES:
            importlib.import_module(f"nemeton.query.expressions.{module}")


def rows(vec: Vec, count: int) -> Any:
    """The values by row, constants repeated."""
    return np.repeat(vec.values, count) if vec.is_constant and count != 1 else vec.values
