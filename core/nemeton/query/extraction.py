"""Extraction functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from nemeton.common.errors import DruidException, invalid_input
from nemeton.plugins import json_type
from nemeton.query.expressions.failures import failed
from nemeton.query.expressions.formats import java_format
from nemeton.query.expressions.regexes import java_regex
from nemeton.query.expressions.strings import utf16_slice
from nemeton.query.expressions.vec import text
from nemeton.query.joda import formatter, parser
from nemeton.query.lookups import MapLookup, registered_lookup
from nemeton.query.model.comparators import utf16_length
from nemeton.query.numbers import parse_java_double, parse_long, to_double
from nemeton.query.search import SearchQuerySpec
from nemeton.spi.lookups import LookupExtractor
from nemeton.spi.query import ExtractionFn
from nemeton.time import Granularity, format_datetime, parse_datetime, zone


@json_type("identity")
@frozen
class IdentityExtractionFn(ExtractionFn):
    """The value itself."""

    def apply(self, value: Any) -> str | None:
        """As text."""
        return text(value)


@json_type("timeFormat")
@frozen
class TimeFormatExtractionFn(ExtractionFn):
    """A time by a pattern, in a zone, after rounding down to a granularity."""

    format: str | None = None
    time_zone: str | None = None
    locale: str | None = None
    granularity: Granularity | None = None
    as_millis: bool = False

    def __attrs_post_init__(self) -> None:
        if self.format:
            formatter(self.format, self.locale or "en")

    def apply(self, value: Any) -> str | None:
        """Of milliseconds, or of a text that is a time (with `asMillis` also in milliseconds); all else is refused."""
        if value is None:
            return None
        ms = self._instant(value)
        if self.granularity is not None:
            ms = self.granularity.bucket_start(ms)
        if self.as_millis:
            return str(ms)
        where = zone(self.time_zone or "UTC")
        if self.format is None:
            return format_datetime(ms, where)
        return formatter(self.format, self.locale or "en")(ms, where)

    def _instant(self, value: Any) -> int:
        if isinstance(value, int):
            return value
        if not isinstance(value, str):
            raise failed("No instant converter found for type: java.lang.Double", "java.lang.IllegalArgumentException")
        whole = parse_long(value) if self.as_millis else None
        try:
            return parse_datetime(value) if whole is None else whole
        except DruidException as failure:
            raise failed(failure.message, "java.lang.IllegalArgumentException") from failure


@json_type("time")
@frozen
class TimeDimExtractionFn(ExtractionFn):
    """A text that is a time in one pattern, in another; the text itself when it is none."""

    time_format: str
    result_format: str
    joda: bool = False

    def apply(self, value: Any) -> str | None:
        """Of a text."""
        if value is None:
            return None
        ms = parser(self.time_format)(str(value), zone("UTC"))
        return str(value) if ms is None else formatter(self.result_format)(ms, zone("UTC"))


@json_type("regex")
@frozen
class RegexDimExtractionFn(ExtractionFn):
    """A group of a pattern's first match; without a match the value, or what replaces it."""

    expr: str
    index: int = 1
    replace_missing_value: bool = False
    replace_missing_value_with: str | None = None

    def __attrs_post_init__(self) -> None:
        java_regex(self.expr)

    def apply(self, value: Any) -> str | None:
        """By the pattern."""
        subject = text(value)
        found = java_regex(self.expr).search(subject) if subject is not None else None
        if found is not None:
            return found.group(self.index)
        return self.replace_missing_value_with if self.replace_missing_value else subject


@json_type("partial")
@frozen
class MatchingDimExtractionFn(ExtractionFn):
    """The value where a pattern is found in it, else null."""

    expr: str

    def apply(self, value: Any) -> str | None:
        """By the pattern."""
        subject = text(value)
        return subject if subject is not None and java_regex(self.expr).search(subject) else None


@json_type("searchQuery")
@frozen
class SearchQuerySpecDimExtractionFn(ExtractionFn):
    """The value where a search finds something in it, else null."""

    query: SearchQuerySpec

    def apply(self, value: Any) -> str | None:
        """By the search."""
        subject = text(value)
        return subject if self.query.accept(subject) else None


@json_type("substring")
@frozen
class SubstringDimExtractionFn(ExtractionFn):
    """From an index, so many characters or the rest; null when there is nothing there."""

    index: int = 0
    length: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.length is not None and self.length <= 0:
            raise invalid_input("length must be strictly positive")
        if self.index < 0:
            raise invalid_input("substring: index must be >= 0")

    def apply(self, value: Any) -> str | None:
        """Cut."""
        subject = text(value)
        if subject is None or utf16_length(subject) <= self.index:
            return None
        return utf16_slice(subject, self.index, None if self.length is None else self.index + self.length)


@json_type("strlen")
@frozen
class StrlenExtractionFn(ExtractionFn):
    """The length in UTF-16 units."""

    def apply(self, value: Any) -> str | None:
        """As text."""
        subject = text(value)
        return None if subject is None else str(utf16_length(subject))


@json_type("upper")
@frozen
class UpperExtractionFn(ExtractionFn):
    """In capitals. Druid 33 answers the same with and without a locale, and so does this."""

    locale: str | None = None

    def apply(self, value: Any) -> str | None:
        """Of the text."""
        subject = text(value)
        return None if subject is None else subject.upper()


@json_type("lower")
@frozen
class LowerExtractionFn(ExtractionFn):
    """In small letters; the locale makes no difference, see `UpperExtractionFn`."""

    locale: str | None = None

    def apply(self, value: Any) -> str | None:
        """Of the text."""
        subject = text(value)
        return None if subject is None else subject.lower()


@json_type("stringFormat")
@frozen
class StringFormatExtractionFn(ExtractionFn):
    """Java's String.format of the value."""

    format: str
    null_handling: str = "nullString"

    def __attrs_post_init__(self) -> None:
        if self.null_handling.lower() not in ("nullstring", "emptystring", "returnnull"):
            where = "org.apache.druid.query.extraction.StringFormatExtractionFn.NullHandling"
            raise invalid_input(f"No enum constant {where}.{self.null_handling.upper()}")

    def apply(self, value: Any) -> str | None:
        """Null is the text "null", "", or stays null, as `nullHandling` says."""
        subject = text(value)
        if subject is None:
            mode = self.null_handling.lower()
            if mode == "returnnull":
                return None
            subject = "" if mode == "emptystring" else None
        return java_format(self.format, (subject,))


@json_type("cascade")
@frozen
class CascadeExtractionFn(ExtractionFn):
    """One function after another."""

    extraction_fns: tuple[ExtractionFn, ...]

    def apply(self, value: Any) -> str | None:
        """The first function comes first; of none null."""
        if not self.extraction_fns:
            return None
        for function in self.extraction_fns:
            value = function.apply(value)
        return text(value)


@json_type("bucket")
@frozen
class BucketExtractionFn(ExtractionFn):
    """A number rounded down to a multiple of a size, from an offset on."""

    size: float = 1.0
    offset: float = 0.0

    def apply(self, value: Any) -> str | None:
        """Null for what is no number."""
        number = parse_java_double(value) if isinstance(value, str) else to_double(value)
        if number is None:
            return None
        rounded = (number - self.offset) // self.size * self.size + self.offset
        return str(int(rounded)) if rounded == int(rounded) else text(rounded)


def given_lookup(given: dict[str, Any]) -> LookupExtractor:
    """The lookup that is written out in a query: one of type `map`."""
    if given.get("type") != "map" or not isinstance(given.get("map"), dict):
        raise invalid_input(f"lookup: unsupported type [{given.get('type')}]; only [map] can be given in a query")
    return MapLookup(given["map"], is_one_to_one=bool(given.get("isOneToOne")))


def check_missing(retain: bool, replacement: str | None) -> None:
    """Refuse two ways of dealing with what a lookup does not have."""
    if retain and replacement is not None:
        raise invalid_input("Cannot specify a [replaceMissingValueWith] and set [retainMissingValue] to true")


def looked_up(
    lookup: LookupExtractor, values: Sequence[Any], retain: bool, replacement: str | None
) -> list[str | None]:
    """The values of a lookup; what it does not have is null, itself, or the replacement."""
    check_missing(retain, replacement)
    keys = [text(value) for value in values]
    found = lookup.apply_all(keys)
    if retain:
        return [key if value is None else value for key, value in zip(keys, found, strict=True)]
    return found if replacement is None else [replacement if value is None else value for value in found]


@json_type("lookup")
@frozen
class LookupExtractionFn(ExtractionFn):
    """Through a map that is given."""

    lookup: dict[str, Any]
    retain_missing_value: bool = False
    replace_missing_value_with: str | None = None
    injective: bool | None = None
    optimize: bool = True

    def __attrs_post_init__(self) -> None:
        given_lookup(self.lookup)
        check_missing(self.retain_missing_value, self.replace_missing_value_with)

    def apply(self, value: Any) -> str | None:
        """One value."""
        return self.apply_all([value])[0]

    def apply_all(self, values: Sequence[Any]) -> list[str | None]:
        """The values of the map."""
        lookup = given_lookup(self.lookup)
        return looked_up(lookup, values, self.retain_missing_value, self.replace_missing_value_with)


@json_type("registeredLookup")
@frozen
class RegisteredLookupExtractionFn(ExtractionFn):
    """Through a registered lookup."""

    lookup: str
    retain_missing_value: bool = False
    replace_missing_value_with: str | None = None
    injective: bool | None = None
    optimize: bool = True

    def apply(self, value: Any) -> str | None:
        """One value."""
        return self.apply_all([value])[0]

    def apply_all(self, values: Sequence[Any]) -> list[str | None]:
        """The values of the lookup."""
        lookup = registered_lookup(self.lookup)
        return looked_up(lookup, values, self.retain_missing_value, self.replace_missing_value_with)


@json_type("javascript")
@frozen
class JavaScriptExtractionFn(ExtractionFn):
    """Refused, as Druid does unless it is told otherwise."""

    function: str = ""

    def apply(self, value: Any) -> str | None:
        """Refuse."""
        from nemeton.query.filters.texts import javascript_disabled

        raise javascript_disabled()
