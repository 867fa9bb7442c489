"""The part of jq that a ``flattenSpec`` has use for: paths, pipes, operators, constructions, and many functions.

A query gives any number of values; the first one counts. Definitions, ``reduce``, ``foreach``, ``try``, ``label``,
assignments and formats (``@csv``) are refused when the spec is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from attrs import frozen

from nemeton.common.errors import DruidException, invalid_input, unsupported
from nemeton.ingest.flatten import jq_nodes as nodes
from nemeton.ingest.flatten.jq_functions import FUNCTIONS
from nemeton.ingest.flatten.jq_nodes import JqError, Node

__all__ = ["JqError", "JqQuery", "compile_query"]

_TOKEN = re.compile(
    r"""\s*(?:\#[^\n]*\s*)*(?:
        (?P<number> \d+(?:\.\d*)?(?:[eE][+-]?\d+)? | \.\d+(?:[eE][+-]?\d+)? )
      | (?P<field> \.[A-Za-z_]\w* )
      | (?P<string> "(?:\\.|[^"\\])*" )
      | (?P<variable> \$[A-Za-z_]\w* )
      | (?P<format> @[a-z0-9]+ )
      | (?P<word> [A-Za-z_]\w*(?:::\w+)* )
      | (?P<symbol> \.\.|\?//|//=|\|=|\+=|-=|\*=|/=|%=|==|!=|<=|>=|//|[.\[\](){}|,:;=<>+\-*/%?] )
    )""",
    re.VERBOSE | re.DOTALL,
)
_REFUSED = {"def", "reduce", "foreach", "try", "label", "import", "include", "input", "inputs", "env"}
_ASSIGNMENTS = {"=", "|=", "+=", "-=", "*=", "/=", "%=", "//=", "?//"}
_LITERALS = {"true": True, "false": False, "null": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_LEVELS: tuple[dict[str, Callable[[Any, Any], Any]], ...] = (
    {name: nodes.COMPARISONS[name] for name in ("==", "!=", "<", "<=", ">", ">=")},
    {"+": nodes.add, "-": nodes.subtract},
    {"*": nodes.multiply, "/": nodes.divide, "%": nodes.remainder},
)


@frozen
class JqQuery:
    """A compiled query. ``place``: names and numbers, when it is a plain path."""

    text: str
    place: tuple[str | int, ...] | None
    _node: Node

    def first(self, document: Any) -> Any:
        """The first value; raises `JqError` when there is none, or something goes wrong in any."""
        values = list(self._node(document, {}))
        if not values:
            raise JqError(f"[{self.text}] gives nothing")
        return values[0]


def compile_query(text: str) -> JqQuery:
    """Compile a query. Raises invalid_input for what is no jq, and unsupported for what is and is not known here."""
    parser = _Parser(text, _tokens(text))
    node = parser.pipe()
    if parser.kind != "end":
        raise parser.error(f"[{parser.value}] is not expected")
    return JqQuery(text, _place(text), node)


def _place(text: str) -> tuple[str, ...] | None:
    return tuple(text.strip()[1:].split(".")) if re.fullmatch(r"\s*(\.[A-Za-z_]\w*)+\s*", text) else None


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        token = _TOKEN.match(text, at)
        if token is None:
            raise invalid_input(f"jq [{text}] cannot be understood at position {at} (flattenSpec)")
        kind = str(token.lastgroup)
        found.append((kind, token[kind]))
        at = token.end()
    return [*found, ("end", "")]


class _Parser:
    """Recursive descent over the tokens; every method gives the node of what it read."""

    def __init__(self, text: str, tokens: list[tuple[str, str]]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0

    @property
    def kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def value(self) -> str:
        return self._tokens[self._at][1]

    def error(self, why: str) -> DruidException:
        return invalid_input(f"jq [{self._text}] cannot be understood: {why} (flattenSpec)")

    def _next(self) -> str:
        value = self.value
        self._at += 1
        return value

    def _take(self, *values: str) -> bool:
        if self.kind not in ("symbol", "word") or self.value not in values:
            return False
        self._at += 1
        return True

    def _expect(self, value: str) -> None:
        if not self._take(value):
            raise self.error(f"[{value}] is expected, not [{self.value}]")

    def pipe(self) -> Node:
        """``a | b``, and ``a as $x | b``."""
        left = self._comma()
        if self._take("as"):
            if self.kind != "variable":
                raise unsupported(f"jq [{self._text}]: patterns after 'as' are not supported")
            name = self._next()
            self._expect("|")
            return nodes.bound(left, name, self.pipe())
        return nodes.piped(left, self.pipe()) if self._take("|") else left

    def _comma(self) -> Node:
        parts = [self._alternative()]
        while self._take(","):
            parts.append(self._alternative())
        return parts[0] if len(parts) == 1 else nodes.together(parts)

    def _alternative(self) -> Node:
        left = self._or()
        if self.kind == "symbol" and self.value in _ASSIGNMENTS:
            raise unsupported(f"jq [{self._text}]: [{self.value}] is not supported")
        return nodes.alternative(left, self._alternative()) if self._take("//") else left

    def _or(self) -> Node:
        left = self._and()
        while self._take("or"):
            left = nodes.either(left, self._and())
        return left

    def _and(self) -> Node:
        left = self._binary(0)
        while self._take("and"):
            left = nodes.both(left, self._binary(0))
        return left

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._postfix()
        left = self._binary(level + 1)
        while self.kind == "symbol" and self.value in _LEVELS[level]:
            left = nodes.binary(_LEVELS[level][self._next()], left, self._binary(level + 1))
        return left

    def _postfix(self) -> Node:
        node = self._term()
        while True:
            if self.kind == "field":
                node = nodes.indexed(node, nodes.constant(self._next()[1:]))
            elif self._take("."):
                if self.kind != "string":
                    raise self.error(f"a name is expected after '.', not [{self.value}]")
                node = nodes.indexed(node, self._string())
            elif self._take("["):
                node = self._bracket(node)
            elif self._take("?"):
                node = nodes.suppressed(node)
            else:
                return node

    def _bracket(self, node: Node) -> Node:
        if self._take("]"):
            return nodes.iterated(node)
        start = None if self._take(":") else self.pipe()
        if start is not None and not self._take(":"):
            self._expect("]")
            return nodes.indexed(node, start)
        stop = None if self.value == "]" else self.pipe()
        self._expect("]")
        return nodes.sliced(node, start, stop)

    def _term(self) -> Node:
        kind, value = self.kind, self.value
        if kind == "number":
            self._next()
            return nodes.constant(float(value) if re.search(r"[.eE]", value) else int(value))
        if kind == "string":
            return self._string()
        if kind == "variable":
            return nodes.variable(self._next())
        if kind == "field":
            return nodes.indexed(nodes.identity, nodes.constant(self._next()[1:]))
        if kind == "word":
            return self._word(self._next())
        if kind == "symbol":
            return self._symbol(self._next())
        if kind == "format":
            raise unsupported(f"jq [{self._text}]: the format [{value}] is not supported")
        raise self.error("it ends too early")

    def _symbol(self, symbol: str) -> Node:
        if symbol == ".":
            return nodes.indexed(nodes.identity, self._string()) if self.kind == "string" else nodes.identity
        if symbol == "..":
            return nodes.everything
        if symbol == "-":
            return nodes.negated(self._postfix())
        if symbol == "(":
            node = self.pipe()
            self._expect(")")
            return node
        if symbol == "[":
            inner = None if self.value == "]" else self.pipe()
            self._expect("]")
            return nodes.collected(inner)
        if symbol == "{":
            return self._object()
        raise self.error(f"[{symbol}] is not expected")

    def _object(self) -> Node:
        entries: list[tuple[Node, Node]] = []
        while not self._take("}"):
            entries.append(self._entry())
            if self.value != "}":
                self._expect(",")
        return nodes.made_object(entries)

    def _entry(self) -> tuple[Node, Node]:
        if self.kind == "variable":
            name = self._next()
            return nodes.constant(name[1:]), nodes.variable(name)
        if self._take("("):
            key = self.pipe()
            self._expect(")")
        elif self.kind == "string":
            key = self._string()
        elif self.kind == "word":
            key = nodes.constant(self._next())
        else:
            raise self.error(f"a key is expected, not [{self.value}]")
        if not self._take(":"):
            return key, nodes.indexed(nodes.identity, key)
        value = self._alternative()
        while self._take("|"):
            value = nodes.piped(value, self._alternative())
        return key, value

    def _word(self, word: str) -> Node:
        if word in _LITERALS:
            return nodes.constant(_LITERALS[word])
        if word == "if":
            return self._condition()
        arguments = []
        if self._take("("):
            arguments.append(self.pipe())
            while self._take(";"):
                arguments.append(self.pipe())
            self._expect(")")
        if word in _REFUSED or (word, len(arguments)) not in FUNCTIONS:
            raise unsupported(f"jq [{self._text}]: [{word}/{len(arguments)}] is not supported")
        return FUNCTIONS[word, len(arguments)](*arguments)

    def _condition(self) -> Node:
        test = self.pipe()
        self._expect("then")
        then = self.pipe()
        if self._take("elif"):
            return nodes.chosen(test, then, self._condition())
        otherwise = self.pipe() if self._take("else") else nodes.identity
        self._expect("end")
        return nodes.chosen(test, then, otherwise)

    def _string(self) -> Node:
        """A text, with the values of ``\\(…)`` in it."""
        text = self._next()[1:-1]
        parts: list[Node] = []
        at = 0
        for found in re.finditer(r"\\(?:\(([^()]*(?:\([^()]*\)[^()]*)*)\)|u([0-9a-fA-F]{4})|(.))", text, re.DOTALL):
            parts.append(nodes.constant(text[at : found.start()]))
            at = found.end()
            if found[1] is not None:
                inner = _Parser(self._text, _tokens(found[1]))
                parts.append(nodes.text_of(inner.pipe()))
            else:
                plain = chr(int(found[2], 16)) if found[2] else _ESCAPES.get(found[3], found[3])
                parts.append(nodes.constant(plain))
        parts.append(nodes.constant(text[at:]))
        return nodes.joined(parts)
