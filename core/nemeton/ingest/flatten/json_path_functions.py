"""The functions at the end of a JSONPath, as the library that Druid uses (Jayway's) calls them.

Arguments are paths, or JSON that begins with a digit, a minus, ``{`` or a double quote; others are ignored, those in
single quotes too. Only ``concat`` and ``append`` look at JSON: to the others numbers come from paths.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.common.errors import invalid_input, unsupported
from nemeton.ingest.documents import is_number

if TYPE_CHECKING:
    from nemeton.ingest.flatten.json_path import JsonPath

_NAME = re.compile(r"\.([A-Za-z]+)$")


def split_call(path: str) -> tuple[str, str, str] | None:
    """A path's text before the call at its end, the function's name and the text of its arguments; None without one."""
    if not path.endswith(")"):
        return None
    depth = 0
    for at in range(len(path) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(path[at], 0)
        if depth == 0:
            named = _NAME.search(path, 0, at)
            return None if named is None else (path[: named.start()], named[1], path[at + 1 : -1])
    return None


@frozen
class Argument:
    """A path, or a JSON value and its text."""

    path: JsonPath | None
    value: Any = None

    def items(self, document: Any) -> Iterator[Any]:
        """What a path leads to; the items of a list, if it is one."""
        if self.path is not None:
            found = self.path.read(document)
            yield from found if isinstance(found, list) else [found]


@frozen
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple[Argument, ...]

    def apply(self, value: Any, document: Any) -> Any:
        """The function of a value, within the document."""
        return _FUNCTIONS[self.name](value, self.arguments, document)


def read_call(text: str, name: str, arguments: str, compile_path: Callable[[str], JsonPath]) -> Call:
    """The call of a function; raises for unknown ones, and for what Druid fails of."""
    if name not in _FUNCTIONS:
        raise unsupported(f"JSONPath [{text}]: function[{name}] is not supported, known are {list(_FUNCTIONS)}")
    found = [_argument(text, part.strip(), compile_path) for part in _parts(arguments)]
    call = Call(name, tuple(argument for argument in found if argument is not None))
    if name in ("length", "size") and any(argument.path is None for argument in call.arguments):
        raise invalid_input(f"JSONPath [{text}]: function[{name}] takes paths only")
    return call


def _parts(arguments: str) -> Iterator[str]:
    """What stands between the commas that are in no brackets and no quotes."""
    depth, start, quote = 0, 0, ""
    for at, char in enumerate(arguments):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "," and not depth:
            yield arguments[start:at]
            start = at + 1
        else:
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(char, 0)
    yield arguments[start:]


def _argument(text: str, part: str, compile_path: Callable[[str], JsonPath]) -> Argument | None:
    if part.startswith(("$", "@")):
        path = compile_path(part)
        if path.call is not None:
            raise unsupported(f"JSONPath [{text}]: functions within functions are not supported")
        return Argument(path)
    if not part.startswith(("{", '"', "-")) and not part[:1].isdigit():
        return None
    try:
        return Argument(None, json.loads(part))
    except ValueError:
        raise invalid_input(f"JSONPath [{text}]: the argument [{part}] is no JSON") from None


# ---- the functions: of the value, the arguments, and the document of the latter's paths

Function = Callable[[Any, Sequence[Argument], Any], Any]


def _of_numbers(function: Callable[[list[float]], float]) -> Function:
    """Of the numbers of a list and of what paths lead to; null where Druid fails because there are none."""

    def apply(value: Any, arguments: Sequence[Argument], document: Any) -> Any:
        items = list(value) if isinstance(value, list) else []
        for argument in arguments:
            items.extend(argument.items(document))
        numbers = [float(item) for item in items if is_number(item)]
        return function(numbers) if numbers else None

    return apply


def _length(value: Any, arguments: Sequence[Argument], document: Any) -> int | None:
    """Of a list or an object; of an argument that leads to many places, how many children those have."""
    path = arguments[0].path if arguments else None
    if path is not None:
        children = [child for node in path.nodes(document) for child in _children(node)]
        if not path.is_definite:
            return len(children)
        if children and isinstance(children[-1], list):
            raise unsupported(f"JSONPath [{path.text}] as an argument of length()")
    return len(value) if isinstance(value, dict | list) else None


def _children(node: Any) -> Sequence[Any]:
    return list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []


def _keys(value: Any, arguments: Sequence[Argument], document: Any) -> list[str] | None:
    return list(value) if isinstance(value, dict) else None


def _deviation(numbers: list[float]) -> float:
    mean = sum(numbers) / len(numbers)
    return math.sqrt(sum(number * number for number in numbers) / len(numbers) - mean * mean)


def _concat(value: Any, arguments: Sequence[Argument], document: Any) -> str:
    """The strings of a list, and the arguments as texts; strings in JSON keep their quotes."""
    texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    for argument in arguments:
        if argument.path is None:
            texts.append(_json(argument.value))
        items = (item for item in argument.items(document) if item is not None)
        texts.extend(item if isinstance(item, str) else _json(item) for item in items)
    return "".join(texts)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _append(value: Any, arguments: Sequence[Argument], document: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [*value, *(each.value if each.path is None else each.path.read(document) for each in arguments)]


def _item(index: int) -> Function:
    return lambda value, arguments, document: value[index] if isinstance(value, list) and value else None


_FUNCTIONS: dict[str, Function] = {
    "length": _length,
    "size": _length,
    "keys": _keys,
    "min": _of_numbers(min),
    "max": _of_numbers(max),
    "sum": _of_numbers(sum),
    "avg": _of_numbers(lambda numbers: sum(numbers) / len(numbers)),
    "stddev": _of_numbers(_deviation),
    "first": _item(0),
    "last": _item(-1),
    "concat": _concat,
    "append": _append,
}
