"""JSONPath as a ``flattenSpec`` has it: names, indexes, slices, wildcards, deep scans, filters, functions.

The value of a path that can lead to one place only is what is there, or null; of any other path it is a list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import frozen

from nemeton.common.errors import DruidException, invalid_input
from nemeton.ingest.flatten.json_path_functions import Argument, Call, read_call, split_call

Step = Callable[[Iterable[Any], Any], Iterator[Any]]
"""From the nodes so far (and the document) to those that lie a step further."""

_NAME = re.compile(r"[^.\[\]()'\"\s@$?*,]+")
_QUOTED = re.compile(r"""'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)\"""", re.DOTALL)
_INDEXES = re.compile(r"-?\d+(?:\s*,\s*-?\d+)*")
_SLICE = re.compile(r"(-?\d+)?\s*:\s*(-?\d+)?")


@frozen
class JsonPath:
    """A compiled path. ``place``: names and numbers, when the path is made of nothing else."""

    text: str
    place: tuple[str | int, ...] | None
    _steps: tuple[Step, ...]
    is_definite: bool
    call: Call | None

    def nodes(self, document: Any) -> list[Any]:
        """Everything the path leads to, from ``document`` as its ``$`` (or ``@``)."""
        return self.nodes_from(document, document)

    def nodes_from(self, node: Any, document: Any) -> list[Any]:
        """As `nodes`, where ``$`` within filters is another document."""
        nodes: Iterable[Any] = [node]
        for step in self._steps:
            nodes = step(nodes, document)
        return list(nodes)

    def read(self, document: Any) -> Any:
        """The value of the path."""
        nodes = self.nodes(document)
        if self.is_definite:
            value = nodes[0] if nodes else None
            return value if self.call is None else self.call.apply(value, document)
        return nodes if self.call is None else [self.call.apply(node, document) for node in nodes]


class Scanner:
    """Reads a path from the left."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.text)

    def take(self, literal: str) -> bool:
        """Skip the literal if it is next."""
        if not self.text.startswith(literal, self.at):
            return False
        self.at += len(literal)
        return True

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What the pattern finds here; it is skipped."""
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def blanks(self) -> None:
        """Skip blanks."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def expect(self, literal: str) -> None:
        """Skip the literal, which must be next."""
        if not self.take(literal):
            raise self.error(f"[{literal}] is expected")

    def error(self, why: str) -> DruidException:
        """An error that shows where the scanner is."""
        return invalid_input(f"JSONPath [{self.text}] cannot be understood at position {self.at}: {why}")


def compile_path(text: str) -> JsonPath:
    """Compile a path; what does not begin with ``$`` is taken to begin with ``$.``. Raises invalid_input."""
    path = text.strip()
    if not path.startswith(("$", "@")):
        path = "$." + path
    call = None
    if parts := split_call(path):
        path, name, arguments = parts
        call = read_call(text, name, arguments, compile_path)
        if path.startswith("$.."):  # a scan from the start is the function's argument, its value the document
            path, call = "$", Call(name, (Argument(compile_path(path)),))
    scanner = Scanner(path.removesuffix("["))  # as the library takes it
    scanner.at = 1
    builder = _Builder()
    while scanner:
        _read_step(scanner, builder)
    if builder.scanning:
        raise scanner.error("a path must not end with '..'")
    place = tuple(builder.place or ()) if call is None else ()
    named = place if place and isinstance(place[0], str) else None
    return JsonPath(text, named, tuple(builder.steps), builder.is_definite, call)


class _Builder:
    """Collects steps."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.place: list[str | int] | None = []
        self.is_definite = True
        self.scanning = False

    def add(self, step: Step, part: str | int | None = None, definite: bool = True) -> None:
        """Add a step; ``part`` when it is a name or an index."""
        if self.scanning or part is None or self.place is None:
            self.place = None
        else:
            self.place.append(part)
        self.is_definite = self.is_definite and definite and not self.scanning
        self.steps.append(step)
        self.scanning = False


def _read_step(scanner: Scanner, builder: _Builder) -> None:
    if scanner.take(".."):
        builder.add(_everything_below, definite=False)
        builder.scanning = True
        if not scanner.text.startswith("[", scanner.at):
            _read_name(scanner, builder)
    elif scanner.take("["):
        _read_bracket(scanner, builder)
    elif scanner.take("."):
        if scanner.text.startswith("[", scanner.at):
            return
        _read_name(scanner, builder)
    else:
        raise scanner.error("'.' or '[' is expected")


def _read_name(scanner: Scanner, builder: _Builder) -> None:
    if scanner.take("*"):
        builder.add(_all_children, definite=False)
        return
    found = scanner.match(_NAME)
    if found is None:
        raise scanner.error("a name is expected; one with blanks or dots is written ['so']")
    builder.add(_named((found[0],), builder.scanning), found[0])


def _read_bracket(scanner: Scanner, builder: _Builder) -> None:
    scanner.blanks()
    if scanner.take("?"):
        from nemeton.ingest.flatten.json_path_filter import read_filter

        builder.add(_filtered(read_filter(scanner)), definite=False)
    elif scanner.take("*"):
        builder.add(_all_children, definite=False)
    elif scanner.text[scanner.at : scanner.at + 1] in ("'", '"'):
        _read_names(scanner, builder)
    elif found := scanner.match(_SLICE):
        start, stop = (None if text is None else int(text) for text in found.groups())
        builder.add(_sliced(slice(start, stop)), definite=False)
    elif found := scanner.match(_INDEXES):
        indexes = [int(text) for text in found[0].split(",")]
        builder.add(_indexed(indexes), indexes[0] if len(indexes) == 1 else None, definite=len(indexes) == 1)
    else:
        raise scanner.error("an index, a quoted name, '*' or '?' is expected")
    scanner.blanks()
    scanner.expect("]")


def _read_names(scanner: Scanner, builder: _Builder) -> None:
    names = [read_quoted(scanner)]
    scanner.blanks()
    while scanner.take(","):
        scanner.blanks()
        names.append(read_quoted(scanner))
        scanner.blanks()
    if len(names) == 1:
        builder.add(_named((names[0],), builder.scanning), names[0])
        return
    is_last = scanner.text[scanner.at :].strip() == "]"
    builder.add(_picked(names) if is_last else _named(tuple(names), False), definite=is_last)


def read_quoted(scanner: Scanner) -> str:
    """A text in quotes."""
    found = scanner.match(_QUOTED)
    if found is None:
        raise scanner.error("a text in quotes is expected")
    return re.sub(r"\\(.)", r"\1", found[1] if found[1] is not None else found[2])


# ---- the steps


def _named(names: tuple[str, ...], must_be_there: bool) -> Step:
    """The values of these names; where a document has no such name the value is null, as with Druid."""

    def step(nodes: Iterable[Any], document: Any) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, dict):
                for name in names:
                    if not must_be_there or name in node:
                        yield node.get(name)

    return step


def _picked(names: list[str]) -> Step:
    def step(nodes: Iterable[Any], document: Any) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, dict):
                yield {name: node[name] for name in names if name in node}

    return step


def _indexed(indexes: list[int]) -> Step:
    def step(nodes: Iterable[Any], document: Any) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, list):
                yield from (node[i] for i in indexes if -len(node) <= i < len(node))

    return step


def _sliced(part: slice) -> Step:
    def step(nodes: Iterable[Any], document: Any) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, list):
                yield from node[part]

    return step


def _filtered(accepts: Callable[[Any, Any], bool]) -> Step:
    def step(nodes: Iterable[Any], document: Any) -> Iterator[Any]:
        for node in nodes:
            candidates = node if isinstance(node, list) else [node] if isinstance(node, dict) else []
            yield from (item for item in candidates if accepts(item, document))

    return step


def _all_children(nodes: Iterable[Any], document: Any) -> Iterator[Any]:
    for node in nodes:
        yield from node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _everything_below(nodes: Iterable[Any], document: Any) -> Iterator[Any]:
    """The objects and arrays in each node, itself first."""
    for node in nodes:
        if isinstance(node, dict | list):
            yield node
            yield from _everything_below(node.values() if isinstance(node, dict) else node, document)
