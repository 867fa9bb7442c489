"""What jq queries are made of: each node gives, of a value and the variables, any number of values."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nemeton.ingest.documents import is_number

Env = Mapping[str, Any]
Node = Callable[[Any, Env], Iterator[Any]]


class JqError(ValueError):
    """A query that cannot be applied to a value."""


def identity(value: Any, env: Env) -> Iterator[Any]:
    """``.``"""
    yield value


def constant(given: Any) -> Node:
    """A literal."""
    return lambda value, env: iter((given,))


def variable(name: str) -> Node:
    """``$name``"""

    def node(value: Any, env: Env) -> Iterator[Any]:
        if name not in env:
            raise JqError(f"Undefined variable: {name}")
        yield env[name]

    return node


def piped(left: Node, right: Node) -> Node:
    """``left | right``"""
    return lambda value, env: (out for item in left(value, env) for out in right(item, env))


def bound(source: Node, name: str, body: Node) -> Node:
    """``source as $name | body``"""
    return lambda value, env: (out for item in source(value, env) for out in body(value, {**env, name: item}))


def together(parts: Sequence[Node]) -> Node:
    """``a, b, …``"""
    return lambda value, env: (out for part in parts for out in part(value, env))


def is_true(value: Any) -> bool:
    """All but null and false is true."""
    return value is not None and value is not False


def alternative(left: Node, right: Node) -> Node:
    """``left // right``"""

    def node(value: Any, env: Env) -> Iterator[Any]:
        found = False
        try:
            for item in left(value, env):
                if is_true(item):
                    found = True
                    yield item
        except JqError:
            pass
        if not found:
            yield from right(value, env)

    return node


def either(left: Node, right: Node) -> Node:
    """``left or right``"""
    return lambda value, env: (
        out for a in left(value, env) for out in ([True] if is_true(a) else map(is_true, right(value, env)))
    )


def both(left: Node, right: Node) -> Node:
    """``left and right``"""
    return lambda value, env: (
        out for a in left(value, env) for out in (map(is_true, right(value, env)) if is_true(a) else [False])
    )


def binary(function: Callable[[Any, Any], Any], left: Node, right: Node) -> Node:
    """An operator; the right side varies slowest."""
    return lambda value, env: (function(a, b) for b in right(value, env) for a in left(value, env))


def negated(inner: Node) -> Node:
    """``-inner``"""
    return lambda value, env: (subtract(0, item) for item in inner(value, env))


def indexed(inner: Node, key: Node) -> Node:
    """``inner[key]``"""
    return lambda value, env: (at(item, k) for k in key(value, env) for item in inner(value, env))


def at(value: Any, key: Any) -> Any:
    """What lies at a name or a number."""
    if value is None and (key is None or isinstance(key, str | int | float)):
        return None
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list) and is_number(key):
        place = int(key // 1)
        return value[place] if -len(value) <= place < len(value) else None
    shown = f'string "{key}"' if isinstance(key, str) else type_name(key)
    raise JqError(f"Cannot index {type_name(value)} with {shown}")


def iterated(inner: Node) -> Node:
    """``inner[]``"""
    return lambda value, env: (out for item in inner(value, env) for out in children(item))


def children(value: Any) -> Sequence[Any]:
    """The elements of an array, the values of an object."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return value
    raise JqError(f"Cannot iterate over {type_name(value)}")


def sliced(inner: Node, start: Node | None, stop: Node | None) -> Node:
    """``inner[start:stop]``"""
    first, last = start or constant(None), stop or constant(None)

    def node(value: Any, env: Env) -> Iterator[Any]:
        for b, a in itertools.product(last(value, env), first(value, env)):
            for item in inner(value, env):
                if item is not None and not isinstance(item, list | str):
                    raise JqError(f"Cannot slice {type_name(item)}")
                yield None if item is None else item[a:b]

    return node


def suppressed(inner: Node) -> Node:
    """``inner?``: errors end the values."""

    def node(value: Any, env: Env) -> Iterator[Any]:
        values = inner(value, env)
        while True:
            try:
                item = next(values)
            except (StopIteration, JqError):
                return
            yield item

    return node


def everything(value: Any, env: Env) -> Iterator[Any]:
    """``..``"""
    yield value
    if isinstance(value, dict | list):
        for item in children(value):
            yield from everything(item, env)


def collected(inner: Node | None) -> Node:
    """``[inner]``"""
    if inner is None:
        return lambda value, env: iter(([],))
    return lambda value, env: iter((list(inner(value, env)),))


def made_object(entries: Sequence[tuple[Node, Node]]) -> Node:
    """``{key: value, …}``"""

    def node(value: Any, env: Env) -> Iterator[Any]:
        choices = [[(k, v) for k in key(value, env) for v in made(value, env)] for key, made in entries]
        for chosen_ones in itertools.product(*choices):
            if any(not isinstance(k, str) for k, _ in chosen_ones):
                raise JqError("Object keys must be strings")
            yield dict(chosen_ones)

    return node


def chosen(test: Node, then: Node, otherwise: Node) -> Node:
    """``if test then … else … end``"""
    return lambda value, env: (
        out for item in test(value, env) for out in (then if is_true(item) else otherwise)(value, env)
    )


def text_of(inner: Node) -> Node:
    """Values as texts."""
    return lambda value, env: map(as_text, inner(value, env))


def joined(parts: Sequence[Node]) -> Node:
    """Texts one after another."""
    return functools.reduce(lambda left, right: binary(operator.add, left, right), parts)


def as_text(value: Any) -> str:
    """A text is itself, all else is JSON."""
    import msgspec

    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


# ---- values

_RANKS = ("null", "false", "true", "number", "string", "array", "object")


def type_name(value: Any) -> str:
    """As ``type`` says it."""
    if value is None:
        return "null"
    names = ((bool, "boolean"), (int | float, "number"), (str, "string"), (list, "array"))
    return next((name for kind, name in names if isinstance(value, kind)), "object")


def sort_key(value: Any) -> Any:
    """Orders any values: null, false, true, numbers, strings, arrays, objects."""
    kind = str(value).lower() if isinstance(value, bool) else type_name(value)
    rank = _RANKS.index(kind)
    if kind == "array":
        return (rank, [sort_key(item) for item in value])
    if kind == "object":
        keys = sorted(value)
        return (rank, (keys, [sort_key(value[key]) for key in keys]))
    return (rank, value if kind in ("number", "string") else 0)


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: compare(sort_key(left), sort_key(right))


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _compared(operator.eq),
    "!=": _compared(operator.ne),
    "<": _compared(operator.lt),
    "<=": _compared(operator.le),
    ">": _compared(operator.gt),
    ">=": _compared(operator.ge),
}


def whole(number: float) -> int | float:
    """A whole number as such."""
    return int(number) if isinstance(number, float) and number.is_integer() and abs(number) < 1 << 53 else number


def _no(verb: str, left: Any, right: Any) -> JqError:
    return JqError(f"{type_name(left)} and {type_name(right)} cannot be {verb}")


def add(left: Any, right: Any) -> Any:
    """``+``"""
    if left is None or right is None:
        return right if left is None else left
    if is_number(left) and is_number(right):
        return whole(left + right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left | right
    if type(left) is type(right) and isinstance(left, str | list):
        return left + right
    raise _no("added", left, right)


def subtract(left: Any, right: Any) -> Any:
    """``-``"""
    if is_number(left) and is_number(right):
        return whole(left - right)
    if isinstance(left, list) and isinstance(right, list):
        gone = [sort_key(item) for item in right]
        return [item for item in left if sort_key(item) not in gone]
    raise _no("subtracted", left, right)


def multiply(left: Any, right: Any) -> Any:
    """``*``"""
    if is_number(left) and is_number(right):
        return whole(left * right)
    if isinstance(left, str) and is_number(right):
        return left * max(int(right), 1) if right > 0 else None
    if isinstance(left, dict) and isinstance(right, dict):
        return {**left, **{k: _merged(left.get(k), v) for k, v in right.items()}}
    raise _no("multiplied", left, right)


def _merged(left: Any, right: Any) -> Any:
    return multiply(left, right) if isinstance(left, dict) and isinstance(right, dict) else right


def divide(left: Any, right: Any) -> Any:
    """``/``"""
    if is_number(left) and is_number(right):
        if right == 0:
            raise JqError(f"{left} cannot be divided by zero")
        return whole(left / right)
    if isinstance(left, str) and isinstance(right, str):
        return left.split(right) if right else list(left)
    raise _no("divided", left, right)


def remainder(left: Any, right: Any) -> Any:
    """``%``"""
    if not (is_number(left) and is_number(right)) or not int(right):
        raise _no("divided", left, right)
    size = abs(int(left)) % abs(int(right))
    return size if left >= 0 else -size
