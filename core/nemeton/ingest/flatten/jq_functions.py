"""jq's functions by name and number of arguments; each makes a node of its arguments' nodes."""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from nemeton.ingest.documents import is_number
from nemeton.ingest.flatten.jq_nodes import (
    Env,
    JqError,
    Node,
    add,
    as_text,
    at,
    children,
    everything,
    is_true,
    sort_key,
    type_name,
    whole,
)


def _plain(function: Callable[[Any], Any]) -> Callable[[], Node]:
    """Of the value alone."""

    def make() -> Node:
        return lambda value, env: iter((function(value),))

    return make


def _with_value(function: Callable[[Any, Any], Any]) -> Callable[[Node], Node]:
    """Of the value and each value of an argument."""

    def make(argument: Node) -> Node:
        return lambda value, env: (function(value, given) for given in argument(value, env))

    return make


def _only(test: Callable[[Any], bool]) -> Callable[[], Node]:
    """The value, if it is of a kind."""

    def make() -> Node:
        return lambda value, env: iter((value,) if test(value) else ())

    return make


def _texts(function: Callable[[str, str], Any]) -> Callable[[Node], Node]:
    def checked(value: Any, given: Any) -> Any:
        if not isinstance(value, str) or not isinstance(given, str):
            raise JqError(f"a string is expected, not {type_name(value)}")
        return function(value, given)

    return _with_value(checked)


def _text(function: Callable[[str], Any]) -> Callable[[], Node]:
    def checked(value: Any) -> Any:
        if not isinstance(value, str):
            raise JqError(f"a string is expected, not {type_name(value)}")
        return function(value)

    return _plain(checked)


def _items(function: Callable[[list[Any]], Any]) -> Callable[[], Node]:
    def checked(value: Any) -> Any:
        if not isinstance(value, list):
            raise JqError(f"an array is expected, not {type_name(value)}")
        return function(value)

    return _plain(checked)


def _maths(function: Callable[[float], float]) -> Callable[[], Node]:
    def checked(value: Any) -> Any:
        if not is_number(value):
            raise JqError(f"{type_name(value)} is no number")
        return float(function(value))

    return _plain(checked)


def _length(value: Any) -> Any:
    if value is None:
        return 0
    if isinstance(value, str | list | dict):
        return len(value)
    if is_number(value):
        return abs(value)
    raise JqError(f"{type_name(value)} has no length")


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return sorted(value)
    if isinstance(value, list):
        return list(range(len(value)))
    raise JqError(f"{type_name(value)} has no keys")


def _has(value: Any, key: Any) -> bool:
    if isinstance(value, dict):
        return key in value
    if isinstance(value, list) and is_number(key):
        return bool(0 <= key < len(value))
    raise JqError(f"{type_name(value)} has no keys")


def _contains(value: Any, given: Any) -> bool:
    if isinstance(value, dict) and isinstance(given, dict):
        return all(key in value and _contains(value[key], item) for key, item in given.items())
    if isinstance(value, list) and isinstance(given, list):
        return all(any(_contains(mine, item) for mine in value) for item in given)
    if isinstance(value, str) and isinstance(given, str):
        return given in value
    return bool(sort_key(value) == sort_key(given))


def _to_number(value: Any) -> Any:
    if is_number(value):
        return value
    try:
        return whole(float(value)) if re.search(r"[.eE]", value) else int(value)
    except (TypeError, ValueError):
        raise JqError(f"{type_name(value)} is no number") from None


def _from_json(value: Any) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(value)
    except (TypeError, msgspec.MsgspecError) as e:
        raise JqError(str(e)) from e


def _to_json(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def _entries(value: Any) -> list[Any]:
    if not isinstance(value, dict):
        raise JqError(f"{type_name(value)} has no keys")
    return [{"key": key, "value": item} for key, item in value.items()]


def _from_entries(value: Any) -> dict[str, Any]:
    return {str(entry.get("key", entry.get("name"))): entry.get("value") for entry in children(value)}


def _with_entries(inner: Node) -> Node:
    def node(value: Any, env: Env) -> Iterator[Any]:
        yield _from_entries([out for entry in _entries(value) for out in inner(entry, env)])

    return node


def _flatten(value: list[Any], depth: float = math.inf) -> list[Any]:
    out: list[Any] = []
    for item in value:
        out += _flatten(item, depth - 1) if isinstance(item, list) and depth > 0 else [item]
    return out


def _join(value: Any, separator: str) -> str:
    if not isinstance(separator, str):
        raise JqError("join: a string is expected")
    return separator.join("" if item is None else as_text(item) for item in children(value))


def _select(test: Node) -> Node:
    return lambda value, env: (value for item in test(value, env) if is_true(item))


def _map(inner: Node) -> Node:
    return lambda value, env: iter(([out for item in children(value) for out in inner(item, env)],))


def _map_values(inner: Node) -> Node:
    def node(value: Any, env: Env) -> Iterator[Any]:
        firsts = {key: list(inner(value[key], env))[:1] for key in _keys(value)}
        kept = {key: found[0] for key, found in firsts.items() if found}
        yield kept if isinstance(value, dict) else list(kept.values())

    return node


def _sorted_by(pick: Callable[[list[Any]], Any]) -> Callable[[Node], Node]:
    def make(key: Node) -> Node:
        def node(value: Any, env: Env) -> Iterator[Any]:
            keyed = [([sort_key(k) for k in key(item, env)], item) for item in children(value)]
            yield pick([item for _, item in sorted(keyed, key=lambda pair: pair[0])])

        return node

    return make


def _unique(value: list[Any]) -> list[Any]:
    out: list[Any] = []
    for item in sorted(value, key=sort_key):
        if not out or sort_key(out[-1]) != sort_key(item):
            out.append(item)
    return out


def _tested(combine: Callable[[Iterator[bool]], bool]) -> tuple[Callable[[], Node], Callable[[Node], Node]]:
    def plain() -> Node:
        return lambda value, env: iter((combine(is_true(item) for item in children(value)),))

    def of(test: Node) -> Node:
        return lambda value, env: iter((combine(is_true(out) for item in children(value) for out in test(item, env)),))

    return plain, of


def _index(value: Any, given: Any) -> int | None:
    if isinstance(value, str):
        place = value.find(given)
        return None if place < 0 else place
    keys = [sort_key(item) for item in children(value)]
    return keys.index(sort_key(given)) if sort_key(given) in keys else None


def _first_of(inner: Node) -> Node:
    def node(value: Any, env: Env) -> Iterator[Any]:
        for item in inner(value, env):
            yield item
            return

    return node


def _last_of(inner: Node) -> Node:
    return lambda value, env: iter(list(inner(value, env))[-1:])


def _limit(count: Node, inner: Node) -> Node:
    def node(value: Any, env: Env) -> Iterator[Any]:
        for most in count(value, env):
            yield from itertools.islice(inner(value, env), max(int(most), 0))

    return node


def _range(*bounds: Node) -> Node:
    def node(value: Any, env: Env) -> Iterator[Any]:
        numbers = [next(iter(bound(value, env))) for bound in bounds]
        yield from range(*map(int, numbers))

    return node


def _test(value: str, pattern: str) -> bool:
    return re.search(pattern, value) is not None


_any, _any_of = _tested(any)
_all, _all_of = _tested(all)

FUNCTIONS: dict[tuple[str, int], Callable[..., Node]] = {
    ("empty", 0): lambda: lambda value, env: iter(()),
    ("not", 0): _plain(lambda value: not is_true(value)),
    ("length", 0): _plain(_length),
    ("keys", 0): _plain(_keys),
    ("keys_unsorted", 0): _plain(lambda value: list(value) if isinstance(value, dict) else _keys(value)),
    ("values", 0): _only(lambda value: value is not None),
    ("nulls", 0): _only(lambda value: value is None),
    ("booleans", 0): _only(lambda value: isinstance(value, bool)),
    ("numbers", 0): _only(is_number),
    ("strings", 0): _only(lambda value: isinstance(value, str)),
    ("arrays", 0): _only(lambda value: isinstance(value, list)),
    ("objects", 0): _only(lambda value: isinstance(value, dict)),
    ("scalars", 0): _only(lambda value: not isinstance(value, list | dict)),
    ("recurse", 0): lambda: everything,
    ("has", 1): _with_value(_has),
    ("contains", 1): _with_value(_contains),
    ("inside", 1): _with_value(lambda value, given: _contains(given, value)),
    ("type", 0): _plain(type_name),
    ("tostring", 0): _plain(as_text),
    ("tonumber", 0): _plain(_to_number),
    ("tojson", 0): _plain(_to_json),
    ("fromjson", 0): _plain(_from_json),
    ("to_entries", 0): _plain(_entries),
    ("from_entries", 0): _plain(_from_entries),
    ("with_entries", 1): _with_entries,
    ("select", 1): _select,
    ("map", 1): _map,
    ("map_values", 1): _map_values,
    ("add", 0): _plain(lambda value: functools.reduce(add, children(value), None)),
    ("any", 0): _any,
    ("any", 1): _any_of,
    ("all", 0): _all,
    ("all", 1): _all_of,
    ("flatten", 0): _items(_flatten),
    ("flatten", 1): _with_value(_flatten),
    ("sort", 0): _items(lambda value: sorted(value, key=sort_key)),
    ("sort_by", 1): _sorted_by(lambda items: items),
    ("min", 0): _items(lambda value: min(value, key=sort_key, default=None)),
    ("max", 0): _items(lambda value: max(reversed(value), key=sort_key, default=None)),
    ("min_by", 1): _sorted_by(lambda items: items[0] if items else None),
    ("max_by", 1): _sorted_by(lambda items: items[-1] if items else None),
    ("unique", 0): _items(_unique),
    ("reverse", 0): _plain(lambda value: [] if value is None else value[::-1]),
    ("index", 1): _with_value(_index),
    ("first", 0): _plain(lambda value: at(value, 0)),
    ("last", 0): _plain(lambda value: at(value, -1)),
    ("nth", 1): _with_value(at),
    ("first", 1): _first_of,
    ("last", 1): _last_of,
    ("limit", 2): _limit,
    ("range", 1): _range,
    ("range", 2): _range,
    ("join", 1): _with_value(_join),
    ("split", 1): _texts(lambda value, given: value.split(given) if given else list(value)),
    ("startswith", 1): _texts(str.startswith),
    ("endswith", 1): _texts(str.endswith),
    ("ltrimstr", 1): _texts(str.removeprefix),
    ("rtrimstr", 1): _texts(str.removesuffix),
    ("test", 1): _texts(_test),
    ("ascii_downcase", 0): _text(str.lower),
    ("ascii_upcase", 0): _text(str.upper),
    ("explode", 0): _text(lambda value: [ord(character) for character in value]),
    ("implode", 0): _items(lambda value: "".join(map(chr, value))),
    ("floor", 0): _maths(math.floor),
    ("ceil", 0): _maths(math.ceil),
    ("round", 0): _maths(lambda number: math.floor(number + 0.5)),
    ("sqrt", 0): _maths(math.sqrt),
}
