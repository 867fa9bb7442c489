"""Functions of text. Those of one column are called once per distinct value."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from nemeton.common.errors import invalid_input
from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.vec import Vec, map_values, printed, single
from nemeton.query.model.comparators import utf16_length
from nemeton.query.numbers import LONG_MAX, LONG_MIN, format_double


def utf16_slice(value: str, start: int, end: int | None) -> str:
    """Cut as Java does, by UTF-16 units."""
    if value.isascii() or max(value) < "\U00010000":
        return value[start:end]
    units = value.encode("utf-16-le", "surrogatepass")
    return units[2 * start : None if end is None else 2 * end].decode("utf-16-le", "surrogatepass")


@functools.lru_cache(maxsize=256)
def java_regex(pattern: str) -> re.Pattern[str]:
    """Compile a Java pattern, as far as Python knows its syntax. Raises invalid_input."""
    translated = pattern.replace("\\z", "\\Z").replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")
    for java, python in _CLASSES.items():
        translated = translated.replace(java, python)
    try:
        return re.compile(translated)
    except re.error as error:
        raise invalid_input(f"Invalid regular expression [{pattern}]: {error}") from None


_CLASSES = {
    "\\p{Alpha}": "[A-Za-z]", "\\p{Digit}": "[0-9]", "\\p{Alnum}": "[A-Za-z0-9]", "\\p{Upper}": "[A-Z]",
    "\\p{Lower}": "[a-z]", "\\p{Punct}": "[!-/:-@\\[-`{-~]", "\\p{Space}": "\\s",
}  # fmt: skip


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
_strings("reverse", "STRING", lambda s: _text(s)[::-1], 1)
_strings("repeat", "STRING", lambda s, n: _text(s) * int(n) if int(n) > 0 else None, 2)
_strings("replace", "STRING", lambda s, a, b: _text(s).replace(_text(a), _text(b)), 3)
_strings("regexp_replace", "STRING", lambda s, p, r: java_regex(p).sub(_java_replacement(r), _text(s)), 3)
_strings("contains_string", "LONG", lambda s, part: int(_text(part) in _text(s)), 2)
_strings("icontains_string", "LONG", lambda s, part: int(_text(part).lower() in _text(s).lower()), 2)
_strings("string_starts_with", "LONG", lambda s, part: int(_text(s).startswith(_text(part))), 2)


def java_lower(value: str) -> str:
    """Java's lower case (which keeps the dot of a capital I with dot, as Python does)."""
    return value.lower()


@register("substring", 2, 3)
def substring(args: list[Vec], count: int) -> Vec:
    """From an index, so many characters (-1 or none: the rest); null when the index is beyond the end."""

    def one(value: Any, start: Any, length: Any = -1) -> str | None:
        if value is None:
            return None
        whole = _text(value)
        size = utf16_length(whole)
        if start is None or start < 0:
            raise invalid_input("substring: index must be at least 0")
        if start >= size:
            return "" if start == size == 0 and length == 0 else None
        return utf16_slice(whole, int(start), None if length is None or length < 0 else int(start) + int(length))

    return map_values(args, count, "STRING", one)


@register("left", 2)
def left(args: list[Vec], count: int) -> Vec:
    """The first characters."""

    def one(value: Any, length: Any) -> str | None:
        return None if value is None or length is None else utf16_slice(_text(value), 0, int(length))

    return map_values(args, count, "STRING", one)


@register("right", 2)
def right(args: list[Vec], count: int) -> Vec:
    """The last characters."""

    def one(value: Any, length: Any) -> str | None:
        if value is None or length is None:
            return None
        size = utf16_length(_text(value))
        return utf16_slice(_text(value), max(0, size - int(length)), None)

    return map_values(args, count, "STRING", one)


@register("strpos", 2, 3)
def strpos(args: list[Vec], count: int) -> Vec:
    """Where a text begins within another, -1 for nowhere."""

    def one(value: Any, part: Any, start: Any = 0) -> int | None:
        if value is None or part is None:
            return None
        return _text(value).find(_text(part), int(start or 0))

    return map_values(args, count, "LONG", one)


def _trim(name: str, at_start: bool, at_end: bool) -> None:
    @register(name, 1, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        def one(value: Any, chars: Any = " ") -> str | None:
            if value is None or chars is None:
                return None
            out = _text(value)
            out = out.lstrip(chars) if at_start and chars else out
            return out.rstrip(chars) if at_end and chars else out

        return map_values(args, count, "STRING", one)


_trim("trim", True, True)
_trim("btrim", True, True)
_trim("ltrim", True, False)
_trim("rtrim", False, True)


def _pad(name: str, at_start: bool) -> None:
    @register(name, 3)
    def apply(args: list[Vec], count: int) -> Vec:
        def one(value: Any, size: Any, padding: Any) -> str | None:
            if value is None or size is None or padding is None:
                return None
            whole, fill, wanted = _text(value), _text(padding), int(size)
            if wanted < 0:
                return ""
            if len(whole) >= wanted:
                return whole[:wanted]
            if not fill:
                return whole
            missing = (fill * (wanted // len(fill) + 1))[: wanted - len(whole)]
            return missing + whole if at_start else whole + missing

        return map_values(args, count, "STRING", one)


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

    def one(value: Any, pattern: Any, escape: Any = None) -> int | None:
        if value is None or pattern is None:
            return None
        return int(like_regex(_text(pattern), escape).fullmatch(_text(value)) is not None)

    return map_values(args, count, "LONG", one)


def _java_replacement(replacement: str) -> Any:
    """`$1` as Python writes it."""
    return re.sub(r"\\(.)|\$(\d)", lambda m: f"\\g<{m[2]}>" if m[2] else re.escape(m[1]), replacement)


@register("regexp_extract", 2, 3)
def regexp_extract(args: list[Vec], count: int) -> Vec:
    """A group of the first match; null when there is none."""

    def one(value: Any, pattern: Any, index: Any = 0) -> str | None:
        if pattern is None or value is None:
            return None
        found = java_regex(_text(pattern)).search(_text(value))
        return None if found is None else found.group(int(index or 0))

    return map_values(args, count, "STRING", one)


@register("regexp_like", 2)
def regexp_like(args: list[Vec], count: int) -> Vec:
    """Whether the pattern is found in the text; null where it is null."""

    def one(value: Any, pattern: Any) -> int | None:
        if value is None or pattern is None:
            return None
        return int(java_regex(_text(pattern)).search(_text(value)) is not None)

    return map_values(args, count, "LONG", one)


@register("parse_long", 1, 2)
def parse_long(args: list[Vec], count: int) -> Vec:
    """A text as a whole number in a radix; null when it is none."""

    def one(value: Any, radix: Any = 10) -> int | None:
        if value is None:
            return None
        digits = _text(value)
        if radix == 16 and digits.lower().startswith("0x"):
            digits = digits[2:]
        if not re.fullmatch(r"[+-]?[0-9A-Za-z]+", digits):
            return None
        try:
            number = int(digits, int(radix))
        except ValueError:
            return None
        return number if LONG_MIN <= number <= LONG_MAX else None

    return map_values(args, count, "LONG", one)


_FORMAT = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")


def java_format(pattern: str, values: tuple[Any, ...]) -> str:
    """Java's String.format for the usual conversions. Raises invalid_input for others, or for too few values."""
    taken = 0

    def one(found: re.Match[str]) -> str:
        nonlocal taken
        index, flags, width, precision, kind = found.groups()
        if kind == "%":
            return "%"
        if kind == "n":
            return "\n"
        at = int(index) - 1 if index else taken
        taken += 0 if index else 1
        if at >= len(values):
            raise invalid_input(f"format: no value for [{found.group(0)}]")
        body = _convert(values[at], kind, flags, precision)
        wide = int(width or 0)
        if "0" in flags and "-" not in flags:
            sign = body[:1] if body[:1] in "+-" else ""
            return sign + body[len(sign) :].rjust(wide - len(sign), "0")
        return body.ljust(wide) if "-" in flags else body.rjust(wide)

    return _FORMAT.sub(one, pattern)


def _convert(value: Any, kind: str, flags: str, precision: str | None) -> str:
    if value is None:
        # a precision cuts the word, also where it was meant for the digits of a number
        return "null"[: int(precision)] if precision else "null"
    if kind in "sS":
        body = format_double(value) if isinstance(value, float) else str(value)
        body = body[: int(precision)] if precision else body
        return body.upper() if kind == "S" else body
    comma = "," if "," in flags else ""
    plus = "+" if "+" in flags else ""
    try:
        if kind == "d" and isinstance(value, int):
            return f"{value:{plus}{comma}d}"
        if kind in "xX" and isinstance(value, int):
            body = f"{value & (2**64 - 1):x}"
            return body.upper() if kind == "X" else body
        if kind in "feE" and isinstance(value, float):
            return f"{value:{plus}{comma}.{precision or 6}{kind}}"
    except ValueError:
        pass
    raise invalid_input(f"format: %{kind} does not fit the value [{value}]")


@register("format", 1, None)
def format_(args: list[Vec], count: int) -> Vec:
    """Java's String.format."""

    def one(pattern: Any, *values: Any) -> str | None:
        return None if pattern is None else java_format(_text(pattern), values)

    return map_values(args, count, "STRING", one)


@register("decode_base64_utf8", 1)
def decode_base64_utf8(args: list[Vec], count: int) -> Vec:
    """The text that base64 hides; null when it is none."""
    import base64
    import binascii

    def one(value: Any) -> str | None:
        try:
            return None if value is None else base64.b64decode(_text(value), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return None

    return map_values(args, count, "STRING", one)


@register("ipv4_parse", 1)
def ipv4_parse(args: list[Vec], count: int) -> Vec:
    """An address as a number; null when it is none."""
    import ipaddress

    def one(value: Any) -> int | None:
        if isinstance(value, int):
            return value if 0 <= value < 2**32 else None
        try:
            return None if value is None else int(ipaddress.IPv4Address(_text(value)))
        except ValueError:
            return None

    return map_values(args, count, "LONG", one)


@register("ipv4_stringify", 1)
def ipv4_stringify(args: list[Vec], count: int) -> Vec:
    """A number as an address; null when it is none."""
    import ipaddress

    def one(value: Any) -> str | None:
        try:
            return None if value is None else str(ipaddress.IPv4Address(value))
        except ValueError:
            return None

    return map_values(args, count, "STRING", one)


def _ip_match(name: str, version: int) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        import ipaddress

        network: Any = ipaddress.ip_network(str(args[1].constant()), strict=False)

        def one(value: Any, _network: Any) -> int:
            try:
                address: Any = ipaddress.ip_address(value)
            except ValueError:
                return 0
            return int(address.version == version and address in network)

        return map_values(args, count, "LONG", one)


_ip_match("ipv4_match", 4)
_ip_match("ipv6_match", 6)


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
