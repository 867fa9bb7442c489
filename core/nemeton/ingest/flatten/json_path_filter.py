"""Filters in JSONPath: ``[?(@.price < 10 && @.kind == 'book')]``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nemeton.ingest.documents import is_number
from nemeton.ingest.flatten import json_path

if TYPE_CHECKING:
    from nemeton.ingest.flatten.json_path import Scanner

Value = Callable[[Any, Any], Any]
"""Of the element under test and the document."""

Test = Callable[[Any, Any], bool]

_OPERATOR = re.compile(r"===?|!==?|<=|>=|=~|<|>|(?:in|nin|subsetof|anyof|noneof|contains|size|empty)\b")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_WORD = re.compile(r"true|false|null")
_REGEX = re.compile(r"/((?:\\.|[^/\\])*)/([a-z]*)")
_PATH = re.compile(r"[@$](?:\.\.?[^\s.\[\]()=<>!,&|]+|\[[^\]]*\])*")
_WORDS = {"true": True, "false": False, "null": None}
_MISSING = object()


def read_filter(scanner: Scanner) -> Test:
    """What stands between ``[?`` and ``]``."""
    scanner.blanks()
    test = _read_or(scanner)
    scanner.blanks()
    return test


def _read_or(scanner: Scanner) -> Test:
    tests = [_read_and(scanner)]
    while _take(scanner, "||"):
        tests.append(_read_and(scanner))
    return tests[0] if len(tests) == 1 else lambda item, document: any(test(item, document) for test in tests)


def _read_and(scanner: Scanner) -> Test:
    tests = [_read_not(scanner)]
    while _take(scanner, "&&"):
        tests.append(_read_not(scanner))
    return tests[0] if len(tests) == 1 else lambda item, document: all(test(item, document) for test in tests)


def _read_not(scanner: Scanner) -> Test:
    if _take(scanner, "!"):
        test = _read_not(scanner)
        return lambda item, document: not test(item, document)
    if _take(scanner, "("):
        test = _read_or(scanner)
        scanner.blanks()
        scanner.expect(")")
        return test
    return _read_comparison(scanner)


def _take(scanner: Scanner, literal: str) -> bool:
    scanner.blanks()
    return scanner.take(literal)


def _read_comparison(scanner: Scanner) -> Test:
    left = _read_value(scanner)
    scanner.blanks()
    found = scanner.match(_OPERATOR)
    if found is None:
        return lambda item, document: left(item, document) is not _MISSING
    compare = _COMPARISONS[found[0]]
    scanner.blanks()
    right = _read_value(scanner)
    return lambda item, document: compare(left(item, document), right(item, document))


def _read_value(scanner: Scanner) -> Value:
    scanner.blanks()
    if found := scanner.match(_PATH):
        return _path_value(found[0])
    if found := scanner.match(_NUMBER):
        number = float(found[0]) if found[1] or found[2] else int(found[0])
        return lambda item, document: number
    if found := scanner.match(_WORD):
        word = _WORDS[found[0]]
        return lambda item, document: word
    if found := scanner.match(_REGEX):
        pattern = re.compile(found[1], re.IGNORECASE if "i" in found[2] else 0)
        return lambda item, document: pattern
    if scanner.take("["):
        return _read_list(scanner)
    text = json_path.read_quoted(scanner)
    return lambda item, document: text


def _read_list(scanner: Scanner) -> Value:
    values: list[Value] = []
    while not _take(scanner, "]"):
        values.append(_read_value(scanner))
        _take(scanner, ",")
    return lambda item, document: [value(item, document) for value in values]


def _path_value(text: str) -> Value:
    path = json_path.compile_path(text)
    from_item = text.startswith("@")

    def value(item: Any, document: Any) -> Any:
        nodes = path.nodes_from(item if from_item else document, document)
        if not path.is_definite:
            return nodes
        return nodes[0] if nodes else _MISSING

    return value


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(left: Any, right: Any) -> bool:
        both_numbers = is_number(left) and is_number(right)
        return (both_numbers or (isinstance(left, str) and isinstance(right, str))) and compare(left, right)

    return test


def _equal(left: Any, right: Any) -> bool:
    if is_number(left) and is_number(right):
        return bool(left == right)
    return type(left) is type(right) and bool(left == right)


def _among(left: Any, right: Any) -> bool:
    return isinstance(right, list) and any(_equal(left, item) for item in right)


def _contains(left: Any, right: Any) -> bool:
    if isinstance(left, str):
        return isinstance(right, str) and right in left
    return _among(right, left)


def _size(left: Any, right: Any) -> bool:
    return isinstance(left, list | str) and is_number(right) and len(left) == right


def _empty(left: Any, right: Any) -> bool:
    return isinstance(left, list | dict | str) and isinstance(right, bool) and (not left) == right


def _matches(left: Any, right: Any) -> bool:
    pattern = right if isinstance(right, re.Pattern) else None
    return pattern is not None and isinstance(left, str) and pattern.fullmatch(left) is not None


def _lists(test: Callable[[list[Any], list[Any]], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: isinstance(left, list) and isinstance(right, list) and test(left, right)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "===": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "!==": lambda left, right: not _equal(left, right),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "=~": _matches,
    "in": _among,
    "nin": lambda left, right: not _among(left, right),
    "contains": _contains,
    "size": _size,
    "empty": _empty,
    "subsetof": _lists(lambda left, right: all(_among(item, right) for item in left)),
    "anyof": _lists(lambda left, right: any(_among(item, right) for item in left)),
    "noneof": _lists(lambda left, right: not any(_among(item, right) for item in left)),
}
