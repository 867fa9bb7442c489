"""Functions of text. Those of one column are called once per distinct value."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from nemeton.common.errors import DruidException
from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.failures import failed, misused, rejected
from nemeton.query.expressions.regexes import java_regex, java_replacement
from nemeton.query.expressions.vec import Vec, map_values, printed, single, to_long, to_string
from nemeton.query.model.comparators import utf16_length
from nemeton.query.numbers import LONG_MAX, LONG_MIN


def utf16_slice(value: str, start: int, end: int | None) -> str:
    """Cut as Java does, by UTF-16 units."""
    if value.isascii() or max(value) < "\U00010000":
        return value[start:end]
    units = value.encode("utf-16-le", "surrogatepass")
    return units[2 * start : None if end is None else 2 * end].decode("utf-16-le", "surrogatepass")


def _strings(
    name: str, kind: str, function: Callable[..., Any], least: int, most: int | None = -1, *aliases: str
) -> None:
    """Enter a function that is null when one of its arguments is; it gets texts where the values are no numbers."""

    @register(name, least, most, *aliases)
    def apply(args: list[Vec], count: int) -> Vec:
        def one(*values: Any) -> Any:
            return None if any(value is None for value in values) else function(*values)

        return map_values(args, count, kind, one)


def _text(value: Any) -> str:
    return printed(single(value))


_strings("strlen", "LONG", lambda s: utf16_length(_text(s)), 1)
_strings("lower", "STRING", lambda s: java_lower(_text(s)), 1)
_strings("upper", "STRING", lambda s: _text(s).upper(), 1)


def java_lower(value: str) -> str:
    """Java's lower case (which keeps the dot of a capital I with dot, as Python does)."""
    return value.lower()


@register("reverse", 1)
def reverse(args: list[Vec], count: int) -> Vec:
    """Backwards; only of texts."""
    if args[0].type not in ("STRING", None) and not args[0].null_mask().all():
        raise rejected("reverse", f"needs a STRING argument but got {args[0].type} instead")
    return map_values(args, count, "STRING", lambda s: None if s is None else s[::-1])


def _index(vec: Vec) -> Vec:
    """A number of characters: null, and what is no number, is 0."""
    found = to_long(vec)
    return Vec("LONG", np.where(found.null_mask(), 0, found.values), None, vec.is_constant)


@register("substring", 3)
def substring(args: list[Vec], count: int) -> Vec:
    """From an index, so many characters (-1: the rest); null when the index is beyond the end."""

    def one(value: str | None, start: int, length: int) -> str | None:
        if value is None or start >= utf16_length(value):
            return None
        if start < 0:
            raise failed(f"begin {start}, end {start + length}, length {len(value)}", _BOUNDS)
        return utf16_slice(value, start, None if length < 0 else start + length)

    return map_values([to_string(args[0]), _index(args[1]), _index(args[2])], count, "STRING", one)


_BOUNDS = "java.lang.StringIndexOutOfBoundsException"


def _with_number(name: str, kind: str, function: Callable[[str, int], str | None]) -> None:
    """Enter a function of a text and a number, null when one of them is."""

    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        def one(value: str | None, number: int | None) -> str | None:
            return None if value is None or number is None else function(value, number)

        return map_values([to_string(args[0]), to_long(args[1])], count, kind, one)


def _checked(name: str, length: int) -> int:
    if not 0 <= length < 2**31:
        raise rejected(name, "needs a positive integer as the second argument")
    return length


_with_number("left", "STRING", lambda s, n: utf16_slice(s, 0, _checked("left", n)))
_with_number("right", "STRING", lambda s, n: utf16_slice(s, max(0, utf16_length(s) - _checked("right", n)), None))
_MOST_REPEATED = 2**28


def _repeated(value: str, times: int) -> str | None:
    if times < 1:
        return None
    if times * len(value) > _MOST_REPEATED:  # Java runs out of memory there
        raise failed("Required length exceeds implementation limit", "java.lang.OutOfMemoryError")
    return value * times


_with_number("repeat", "STRING", _repeated)


@register("replace", 3)
def replace(args: list[Vec], count: int) -> Vec:
    """All places where a text stands, by another text."""

    def one(value: str | None, old: str | None, new: str | None) -> str | None:
        if value is None:
            return None
        if old is None or new is None:
            raise DruidException("Function[replace] encountered unknown exception.", persona="DEVELOPER",
                                 category="DEFENSIVE")  # fmt: skip
        return value.replace(old, new)

    return map_values([to_string(arg) for arg in args], count, "STRING", one)


@register("strpos", 2, 3)
def strpos(args: list[Vec], count: int) -> Vec:
    """Where a text begins within another, -1 for nowhere."""

    def one(value: str | None, part: str | None, start: int = 0) -> int | None:
        if value is None or part is None:
            return None
        start = min(max(start, 0), len(value))
        return value.find(part, start)

    return map_values([to_string(args[0]), to_string(args[1]), *map(_index, args[2:])], count, "LONG", one)


def _literal(name: str, which: str, vec: Vec) -> str | None:
    """A constant text; null counts as none."""
    if not vec.is_constant:
        raise misused(name, f"{which} argument must be a literal")
    value = vec.constant()
    return None if value is None else _text(value)


def _contains(name: str, prepare: Callable[[str], str]) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        """Whether a text has another within it, which must be a constant."""
        part = _literal(name, "substring", args[1])
        if part is None or not args[1].type == "STRING":
            raise misused(name, "substring must be a string literal")
        wanted = prepare(part)
        return map_values(
            [to_string(args[0])], count, "LONG", lambda s: None if s is None else int(wanted in prepare(s))
        )


_contains("contains_string", lambda s: s)
_contains("icontains_string", str.lower)


def _trim(name: str, at_start: bool, at_end: bool) -> None:
    @register(name, 1, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        chars = _literal(name, "second", args[1]) if len(args) > 1 else " "

        def one(value: str | None) -> str | None:
            if value is None:
                return None
            out = value.lstrip(chars) if at_start and chars else value
            return out.rstrip(chars) if at_end and chars else out

        return map_values([to_string(args[0])], count, "STRING", one)


_trim("trim", True, True)
_trim("ltrim", True, False)
_trim("rtrim", False, True)


def _pad(name: str, at_start: bool) -> None:
    @register(name, 3)
    def apply(args: list[Vec], count: int) -> Vec:
        def one(value: Any, size: Any, padding: Any) -> str | None:
            if value is None or size is None or padding is None:
                return None
            whole, fill, wanted = value, padding, size
            if wanted > _MOST_REPEATED:
                raise failed("Java heap space", "java.lang.OutOfMemoryError")
            if wanted < 0:
                return ""
            length = utf16_length(whole)
            if length >= wanted:
                return utf16_slice(whole, 0, wanted)
            if not fill:
                return str(whole)
            missing = (fill * (wanted // len(fill) + 1))[: wanted - length]
            return str(missing + whole if at_start else whole + missing)

        return map_values([to_string(args[0]), to_long(args[1]), to_string(args[2])], count, "STRING", one)


_pad("lpad", True)
_pad("rpad", False)


@functools.lru_cache(maxsize=256)
def like_regex(pattern: str, escape: str | None) -> re.Pattern[str]:
    """The pattern of LIKE as a regular expression."""
    out: list[str] = []
    escaped = False
    for char in pattern:
        if escaped:
            out.append(re.escape(char))
            escaped = False
        elif escape and char == escape:
            escaped = True
        elif char == "%":
            out.append(".*")
        elif char == "_":
            out.append(".")
        else:
            out.append(re.escape(char))
    return re.compile("".join(out), re.DOTALL)


@register("like", 2, 3)
def like(args: list[Vec], count: int) -> Vec:
    """Whether a text matches a pattern; null where it is null."""
    escape = _literal("like", "escape", args[2]) if len(args) > 2 else None

    def one(value: str | None, pattern: str | None) -> int | None:
        if value is None or pattern is None:
            return None
        return int(like_regex(pattern, escape).fullmatch(value) is not None)

    return map_values([to_string(args[0]), to_string(args[1])], count, "LONG", one)


def _pattern(name: str, vec: Vec) -> re.Pattern[str]:
    """A constant pattern; null finds nothing but is refused by these functions."""
    text = _literal(name, "pattern", vec)
    if text is None or vec.type != "STRING":
        raise misused(name, "pattern must be a string literal")
    return _compiled(text)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return java_regex(pattern)
    except DruidException as error:
        raise failed(error.message, "java.util.regex.PatternSyntaxException") from None


@register("regexp_extract", 2, 3)
def regexp_extract(args: list[Vec], count: int) -> Vec:
    """A group of the first match; null when there is none."""
    pattern = _pattern("regexp_extract", args[1])
    index = int(_index(args[2]).values[0]) if len(args) > 2 else 0

    def one(value: str | None) -> str | None:
        found = None if value is None else pattern.search(value)
        if found is not None and index > pattern.groups:
            raise failed(f"No group {index}", "java.lang.IndexOutOfBoundsException")
        return None if found is None else found.group(index)

    return map_values([to_string(args[0])], count, "STRING", one)


@register("regexp_like", 2)
def regexp_like(args: list[Vec], count: int) -> Vec:
    """Whether the pattern is found in the text; null where it is null."""
    search = _pattern("regexp_like", args[1]).search
    return map_values([to_string(args[0])], count, "LONG", lambda s: None if s is None else int(search(s) is not None))


@register("regexp_replace", 3)
def regexp_replace(args: list[Vec], count: int) -> Vec:
    """All matches by a text, in which `$1` stands for a group; null when one of the three is."""

    def one(value: str | None, pattern: str | None, replacement: str | None) -> str | None:
        if value is None or pattern is None or replacement is None:
            return None
        return _compiled(pattern).sub(java_replacement(replacement), value)

    return map_values([to_string(arg) for arg in args], count, "STRING", one)


@register("parse_long", 1, 2)
def parse_long(args: list[Vec], count: int) -> Vec:
    """A text as a whole number in a radix; null when it is none."""

    def one(value: str | None, radix: int = 10) -> int | None:
        if value is None or not 2 <= radix <= 36:
            return None
        digits = value[2:] if radix == 16 and value.lower().startswith("0x") else value
        if not re.fullmatch(r"[+-]?[0-9A-Za-z]+", digits):
            return None
        try:
            number = int(digits, radix)
        except ValueError:
            return None
        return number if LONG_MIN <= number <= LONG_MAX else None

    return map_values([to_string(args[0]), *map(_index, args[1:])], count, "LONG", one)


@register("decode_base64_utf8", 1)
def decode_base64_utf8(args: list[Vec], count: int) -> Vec:
    """The text that base64 hides, with or without its padding; raises for what is none."""
    import base64
    import binascii

    def one(value: str | None) -> str | None:
        if value is None:
            return None
        try:
            padded = value if "=" in value else value + "=" * (-len(value) % 4)
            return base64.b64decode(padded, validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError) as error:
            raise failed(f"Illegal base64: {error}", "java.lang.IllegalArgumentException") from None

    return map_values([to_string(args[0])], count, "STRING", one)


@register("lookup", 2, 3)
def lookup(args: list[Vec], count: int) -> Vec:
    """The value of a registered lookup; the third argument stands for what is missing."""
    from nemeton.query.lookups import registered_lookup

    apply = registered_lookup(str(args[1].constant())).apply
    missing = args[2].constant() if len(args) > 2 else None

    def one(value: Any, *_rest: Any) -> str | None:
        found = apply(str(_text(value))) if value is not None else None
        return missing if found is None else found

    return map_values(args, count, "STRING", one)
