"""JSON that is not strict: what the features of Jackson's parser allow, and what Druid takes in any case.

The slow way, for lines that the strict parser does not take: text behind the value is not looked at, half a surrogate
pair becomes a question mark, a number that is too large infinity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nemeton.common.errors import invalid_input

_COMMENTS = "ALLOW_COMMENTS"
_YAML_COMMENTS = "ALLOW_YAML_COMMENTS"
_SINGLE_QUOTES = "ALLOW_SINGLE_QUOTES"
_UNQUOTED_NAMES = "ALLOW_UNQUOTED_FIELD_NAMES"
_NON_NUMERIC = "ALLOW_NON_NUMERIC_NUMBERS"
_LEADING_ZEROS = "ALLOW_NUMERIC_LEADING_ZEROS"
_LEADING_POINT = "ALLOW_LEADING_DECIMAL_POINT_FOR_NUMBERS"
_TRAILING_COMMA = "ALLOW_TRAILING_COMMA"
_CONTROL_CHARS = "ALLOW_UNQUOTED_CONTROL_CHARS"
_ANY_ESCAPE = "ALLOW_BACKSLASH_ESCAPING_ANY_CHARACTER"
_MISSING_VALUES = "ALLOW_MISSING_VALUES"
_STRICT_DUPLICATES = "STRICT_DUPLICATE_DETECTION"
_HARMLESS = ("AUTO_CLOSE_SOURCE", "IGNORE_UNDEFINED", "INCLUDE_SOURCE_IN_LOCATION")
FEATURES = (
    _COMMENTS,
    _YAML_COMMENTS,
    _SINGLE_QUOTES,
    _UNQUOTED_NAMES,
    _NON_NUMERIC,
    _LEADING_ZEROS,
    _LEADING_POINT,
    _TRAILING_COMMA,
    _CONTROL_CHARS,
    _ANY_ESCAPE,
    _MISSING_VALUES,
    _STRICT_DUPLICATES,
    *_HARMLESS,
)

_NUMBER = re.compile(r"-?(?:\d+|(?=\.\d))(\.\d+)?([eE][+-]?\d+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:Infinity|INF)|NaN")
_WORD = re.compile(r"true|false|null")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}
_STOPS = {quote: re.compile(rf"[{quote}\\\x00-\x1f]") for quote in "\"'"}


def check_features(features: Mapping[str, bool]) -> None:
    """Refuse names that Druid does not know."""
    for name in features:
        if name not in FEATURES:
            raise invalid_input(f"featureSpec: unknown feature[{name}] (inputFormat), known are {list(FEATURES)}")


def decode_leniently(line: bytes, features: Mapping[str, bool]) -> Any:
    """The value that the line begins with. Raises ValueError when there is none."""
    reader = _Reader(line.decode("utf-8", "replace"), {name for name, is_on in features.items() if is_on})
    reader.blanks()
    return reader.value()


class _Reader:
    """Reads one text from the left."""

    def __init__(self, text: str, features: set[str]) -> None:
        self._text = text
        self._features = features
        self._at = 0

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _fail(self) -> ValueError:
        return ValueError(f"no JSON at character {self._at}")

    def _take(self, literal: str) -> bool:
        if not self._text.startswith(literal, self._at):
            return False
        self._at += len(literal)
        return True

    def blanks(self) -> None:
        """Skip blanks and, where they are allowed, comments."""
        while True:
            while self._next() in (" ", "\t", "\r", "\n"):
                self._at += 1
            if not self._comment():
                return

    def _comment(self) -> bool:
        if _COMMENTS in self._features and self._take("/*"):
            end = self._text.find("*/", self._at)
            if end < 0:
                raise self._fail()
            self._at = end + 2
            return True
        to_the_end = (_COMMENTS in self._features and self._take("//")) or (
            _YAML_COMMENTS in self._features and self._take("#")
        )
        if to_the_end:
            self._at = len(self._text)
        return to_the_end

    def value(self) -> Any:
        """The value that is next."""
        if self._take("{"):
            return self._object()
        if self._take("["):
            return self._array()
        if self._is_quote():
            return self._string()
        if found := _WORD.match(self._text, self._at):
            self._at = found.end()
            return _WORDS[found[0]]
        return self._number()

    def _is_quote(self) -> bool:
        return self._next() == '"' or (self._next() == "'" and _SINGLE_QUOTES in self._features)

    def _object(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        self.blanks()
        if self._take("}"):
            return out
        while True:
            name = self._name()
            self.blanks()
            if not self._take(":"):
                raise self._fail()
            if name in out and _STRICT_DUPLICATES in self._features:
                raise ValueError(f"Duplicate field '{name}'")
            self.blanks()
            out[name] = self.value()
            if self._ends("}"):
                return out

    def _ends(self, mark: str) -> bool:
        """Whether this was the last one; else the comma is skipped."""
        self.blanks()
        if self._take(mark):
            return True
        if not self._take(","):
            raise self._fail()
        self.blanks()
        return _TRAILING_COMMA in self._features and self._take(mark)

    def _name(self) -> str:
        if self._is_quote():
            return self._string()
        found = _NAME.match(self._text, self._at) if _UNQUOTED_NAMES in self._features else None
        if found is None:
            raise self._fail()
        self._at = found.end()
        return found[0]

    def _array(self) -> list[Any]:
        out: list[Any] = []
        self.blanks()
        if self._take("]"):
            return out
        while True:
            if _MISSING_VALUES in self._features and self._next() in (",", "]"):
                out.append(None)
            else:
                out.append(self.value())
            if self._ends("]"):
                return out

    def _string(self) -> str:
        quote = self._next()
        self._at += 1
        parts: list[str] = []
        while True:
            found = _STOPS[quote].search(self._text, self._at)
            if found is None:
                raise self._fail()
            parts.append(self._text[self._at : found.start()])
            self._at = found.end()
            if found[0] == quote:
                return _well_formed("".join(parts))
            if found[0] == "\\":
                parts.append(self._escape())
            elif _CONTROL_CHARS in self._features:
                parts.append(found[0])
            else:
                raise self._fail()

    def _escape(self) -> str:
        kind = self._next()
        self._at += 1
        if kind == "u":
            digits = self._text[self._at : self._at + 4]
            self._at += 4
            if not re.fullmatch("[0-9a-fA-F]{4}", digits):
                raise self._fail()
            return chr(int(digits, 16))
        if kind in _ESCAPES:
            return _ESCAPES[kind]
        if kind and _ANY_ESCAPE in self._features:
            return kind
        raise self._fail()

    def _number(self) -> Any:
        if _NON_NUMERIC in self._features and (found := _NOT_FINITE.match(self._text, self._at)):
            self._at = found.end()
            return float(found[0].replace("INF", "Infinity"))
        found = _NUMBER.match(self._text, self._at)
        if found is None or not found[0]:
            raise self._fail()
        digits = found[0].lstrip("-")
        if digits[:1] == "." and _LEADING_POINT not in self._features:
            raise self._fail()
        if re.match(r"0\d", digits) and _LEADING_ZEROS not in self._features:
            raise self._fail()
        self._at = found.end()
        if re.match(r"[\w.+]", self._next()):
            raise self._fail()
        return float(found[0]) if found[1] or found[2] else int(found[0])


def _well_formed(text: str) -> str:
    """With halves of surrogate pairs put together, and single ones replaced as Java does."""
    paired = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return paired.encode("utf-8", "replace").decode()
