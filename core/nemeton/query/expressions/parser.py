"""From the text of an expression to its tree."""

from __future__ import annotations

import functools
import re
from typing import Any

from attrs import frozen

from nemeton.query.expressions.failures import failed
from nemeton.query.numbers import LONG_MAX, format_double, to_double, to_long


@frozen(eq=False)
class Node:
    """A node of the tree. Nodes are compared by identity, so that results can be cached by node."""


@frozen(eq=False)
class Literal(Node):
    """A constant: None, int, float, str, or a list of them; `type` is Druid's, None for null."""

    value: Any
    type: str | None


@frozen(eq=False)
class Identifier(Node):
    """A column or a lambda's parameter."""

    name: str


@frozen(eq=False)
class Call(Node):
    """A function or an operator with its arguments."""

    name: str
    args: tuple[Node, ...]


@frozen(eq=False)
class Lambda(Node):
    """`(a, b) -> body`."""

    parameters: tuple[str, ...]
    body: Node


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<double>[0-9]+\.[0-9]*(?:[eE]-?[0-9]+)?|[0-9]+[eE]-?[0-9]+|NaN\b|Infinity\b)
    | (?P<long>[0-9]+)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<array>(?:ARRAY)*<(?:ARRAY<)*(?:LONG|DOUBLE|STRING|COMPLEX<\w+>)>+(?=\s*\[))
    | (?P<id>[_$a-zA-Z][_$a-zA-Z0-9]*)
    | (?P<op>->|&&|\|\||==|!=|<=|>=|[-+*/%^<>!(),\[\]])
    )""",
    re.VERBOSE | re.DOTALL,
)
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("&&", "||"),
    ("<", "<=", ">", ">=", "==", "!="),
    ("+", "-"),
    ("*", "/", "%"),
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _tokens(text: str) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise failed(f"Expression [{text}] is not parseable at position [{at}]: token recognition error")
        kind = str(found.lastgroup)
        out.append((kind, found.group(kind)))
        at = found.end()
    return out


def _unescape(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        body = found.group(1)
        return chr(int(body[1:], 16)) if len(body) == 5 else _ESCAPES.get(body, body)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", one, text[1:-1], flags=re.DOTALL)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.at = 0

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else ("end", "<EOF>")

    def is_op(self, *names: str) -> bool:
        kind, text = self.peek()
        return kind == "op" and text in names

    def next(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, name: str) -> None:
        if not self.is_op(name):
            raise self.error()
        self.at += 1

    def error(self) -> Exception:
        return failed(f"Expression [{self.text}] is not parseable: unexpected [{self.peek()[1]}]")

    def parse(self) -> Node:
        node = self.binary(0)
        if self.peek()[0] != "end":
            raise self.error()
        return node

    def binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.power()
        left = self.binary(level + 1)
        while self.is_op(*_LEVELS[level]):
            name = self.next()[1]
            left = Call(name, (left, self.binary(level + 1)))
        return left

    def power(self) -> Node:
        base = self.unary()
        if self.is_op("^"):
            self.next()
            return Call("^", (base, self.power()))
        return base

    def unary(self) -> Node:
        if self.is_op("-"):
            self.next()
            kind, text = self.peek()
            if kind == "long" and int(text) == LONG_MAX + 1:
                self.next()
                return Literal(-int(text), "LONG")
            inner = self.unary()
            if isinstance(inner, Literal) and isinstance(inner.value, (int, float)):
                return Literal(-inner.value, inner.type)
            return Call("neg", (inner,))
        if self.is_op("!"):
            self.next()
            return Call("!", (self.unary(),))
        return self.primary()

    def primary(self) -> Node:
        kind, text = self.next()
        if kind == "long":
            if int(text) > LONG_MAX:
                raise failed(f'For input string: "{text}"')
            return Literal(int(text), "LONG")
        if kind == "double":
            return Literal(float(text), "DOUBLE")
        if kind == "string":
            return Literal(_unescape(text), "STRING")
        if kind == "quoted":
            return Identifier(_unescape(text))
        if kind == "array":
            self.expect("[")
            return self.array(text[text.index("<") + 1 : -1])
        if kind == "op" and text == "[":
            return self.array(None)
        if kind == "op" and text == "(":
            self.at -= 1
            return self.parenthesis()
        if kind == "id":
            return self.word(text)
        self.at -= 1
        raise self.error()

    def word(self, text: str) -> Node:
        if text == "null":
            return Literal(None, None)
        if self.is_op("->"):
            self.next()
            return Lambda((text,), self.binary(0))
        if not self.is_op("("):
            return Identifier(text)
        self.next()
        args: list[Node] = []
        if not self.is_op(")"):
            args.append(self.binary(0))
            while self.is_op(","):
                self.next()
                args.append(self.binary(0))
        self.expect(")")
        return Call(text, tuple(args))

    def parenthesis(self) -> Node:
        start = self.at
        self.expect("(")
        names: list[str] = []
        while self.peek()[0] in ("id", "quoted"):
            kind, text = self.next()
            names.append(_unescape(text) if kind == "quoted" else text)
            if not self.is_op(","):
                break
            self.next()
        if self.is_op(")"):
            self.next()
            if self.is_op("->"):
                self.next()
                return Lambda(tuple(names), self.binary(0))
        self.at = start
        self.expect("(")
        inner = self.binary(0)
        self.expect(")")
        return inner

    def array(self, kind: str | None) -> Node:
        items: list[Literal] = []
        while not self.is_op("]"):
            node = (
                self.primary() if self.peek()[0] in ("long", "double", "string") or self.peek()[1] == "null" else None
            )
            if not isinstance(node, Literal):
                raise self.error()
            items.append(node)
            if not self.is_op(","):
                break
            self.next()
        self.expect("]")
        types = {item.type for item in items if item.type is not None}
        if kind is None:
            if "STRING" in types and len(types) > 1:
                raise self.error()
            kind = "STRING" if "STRING" in types or not types else "DOUBLE" if "DOUBLE" in types else "LONG"
        return Literal([None if item.value is None else _element(item.value, kind) for item in items], f"ARRAY<{kind}>")


def _element(value: Any, kind: str) -> Any:
    """An element of an array whose type is given."""
    if kind == "STRING":
        return value if isinstance(value, str) else format_double(value) if isinstance(value, float) else str(value)
    if kind in ("LONG", "DOUBLE"):
        return (to_long if kind == "LONG" else to_double)(value)
    raise failed(f"Array constructor for [{kind}] cannot take [{value}]")


def stringify(node: Node) -> str:
    """The text of a tree as Druid writes it in messages; operators without the outer parentheses."""
    if isinstance(node, Literal):
        return "null" if node.value is None else f"'{node.value}'" if node.type == "STRING" else str(node.value)
    if isinstance(node, Identifier):
        return f'"{node.name}"'
    if isinstance(node, Lambda):
        return f"({', '.join(node.parameters)}) -> {stringify(node.body)}"
    assert isinstance(node, Call)
    if not node.name[0].isalpha() and len(node.args) == 2:
        return f" {node.name} ".join(_inner(arg) for arg in node.args)
    return f"{node.name}({', '.join(stringify(arg) for arg in node.args)})"


def _inner(node: Node) -> str:
    text = stringify(node)
    return f"({text})" if isinstance(node, Call) and not node.name[0].isalpha() else text


@functools.lru_cache(maxsize=2048)
def parse(text: str) -> Node:
    """The tree of an expression. Raises an error that says where it cannot be read."""
    return _Parser(text).parse()


def identifiers(node: Node, bound: frozenset[str] = frozenset()) -> frozenset[str]:
    """The columns that an expression reads."""
    if isinstance(node, Identifier):
        return frozenset() if node.name in bound else frozenset([node.name])
    if isinstance(node, Call):
        return frozenset().union(*(identifiers(arg, bound) for arg in node.args))
    if isinstance(node, Lambda):
        return identifiers(node.body, bound | set(node.parameters))
    return frozenset()
