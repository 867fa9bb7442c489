"""Timestamps of a batch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from nemeton.common.errors import DruidException
from nemeton.ingest.coerce import to_strings
from nemeton.ingest.documents import is_documents
from nemeton.ingest.schema.timestamp_spec import NUMERIC_FORMATS, TimestampSpec
from nemeton.ingest.timestamps.fixed import parse_fixed, rows_of_width
from nemeton.ingest.timestamps.joda import ZONE_NAMES, Parser, compile_pattern, fixed_layout
from nemeton.time import parse_datetime
from nemeton.time.zones import zone

if TYPE_CHECKING:
    import polars as pl

_ISO_LAYOUTS: dict[int, tuple[str, ...]] = {
    10: ("yyyy-MM-dd",),
    19: ("yyyy-MM-ddTHH:mm:ss",),
    20: ("yyyy-MM-ddTHH:mm:ssZ",),
    23: ("yyyy-MM-ddTHH:mm:ss.SSS",),
    24: ("yyyy-MM-ddTHH:mm:ss.SSSZ",),
}
_AUTO_LAYOUTS: dict[int, tuple[str, ...]] = _ISO_LAYOUTS | {
    19: (*_ISO_LAYOUTS[19], "yyyy-MM-dd HH:mm:ss"),
    23: (*_ISO_LAYOUTS[23], "yyyy-MM-dd HH:mm:ss.SSS"),
}
_LONG = re.compile(r"[+-]?\d+")
_MANY = 50_000
_SAMPLE = 10_000
_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1


@frozen
class ParsedTimes:
    """``times``: milliseconds; ``bad``: the rows that have none that can be read (None: all have)."""

    times: NDArray[np.int64]
    bad: NDArray[np.bool_] | None


def parse_times(column: pl.Series | None, num_rows: int, spec: TimestampSpec) -> ParsedTimes:
    """The instants of a raw column (None: the input has no such column)."""
    if column is None:
        times, ok = np.zeros(num_rows, dtype=np.int64), np.zeros(num_rows, dtype=bool)
        nulls = np.ones(num_rows, dtype=bool)
    else:
        times, ok = _parse(column, spec.format)
        nulls = column.is_null().to_numpy() if column.null_count() else None  # type: ignore[assignment]
    if nulls is not None and spec.missing_value is not None:
        times = np.where(nulls, spec.missing_value, times)
        ok = ok | nulls
    return ParsedTimes(times, None if ok.all() else ~ok)


def _parse(column: pl.Series, form: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    import polars as pl

    kind = form.lower()
    if is_documents(column):
        column = to_strings(column)
    if column.dtype.is_numeric() and kind in NUMERIC_FORMATS:
        return _from_numbers(column, kind)
    if isinstance(column.dtype, pl.List):
        return np.zeros(len(column), dtype=np.int64), np.zeros(len(column), dtype=bool)
    texts = column.cast(pl.String)
    if len(texts) >= _MANY and texts.head(_SAMPLE).n_unique() <= _SAMPLE // 2:
        return _from_repeated(texts, form)
    return _from_texts(texts, form)


def _from_repeated(column: pl.Series, form: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Each distinct text once."""
    import polars as pl
    import pyarrow as pa

    encoded = column.to_arrow().cast(pa.large_string()).dictionary_encode(null_encoding="encode")
    times, ok = _from_texts(pl.Series(encoded.dictionary, dtype=pl.String), form)
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return times[codes], ok[codes]


def _from_numbers(column: pl.Series, kind: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    ok = column.is_not_null().to_numpy()
    numbers = column.fill_null(0).to_numpy()
    if kind == "ruby":
        return (numbers.astype(np.float64) * 1000).astype(np.int64), ok
    longs = numbers.astype(np.int64)
    if kind == "posix":
        return longs * 1000, ok
    divisor = {"micro": 1000, "nano": 1_000_000}.get(kind, 1)
    if divisor > 1:  # towards zero, as Java's TimeUnit
        longs = np.where(longs < 0, -(-longs // divisor), longs // divisor)
    return longs, ok


def _from_texts(column: pl.Series, form: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    import polars as pl

    kind = form.lower()
    if kind in ("millis", "posix", "micro", "nano"):
        numbers = column.cast(pl.Int64, strict=False)
        times, ok = _from_numbers(numbers, kind)
    else:
        times, ok = _by_layout(column, _layouts(kind, form))
    # What the fast way did not take goes through the exact parser, each distinct text once.
    odd = np.flatnonzero(~ok & column.is_not_null().to_numpy())
    if len(odd):
        texts = column.gather(odd)
        distinct = texts.unique()
        found = {text: _try(_text_parser(kind, form), text) for text in distinct.to_list()}
        values = [found[text] for text in texts.to_list()] if len(found) > 1 else list(found.values()) * len(odd)
        times[odd] = [0 if value is None else value for value in values]
        ok[odd] = [value is not None for value in values]
    return times, ok


def _layouts(kind: str, form: str) -> dict[int, tuple[str, ...]]:
    if kind == "iso":
        return _ISO_LAYOUTS
    if kind == "auto":
        return _AUTO_LAYOUTS
    layout = None if kind == "ruby" else fixed_layout(form)
    return {} if layout is None else {len(layout): (layout,)}


def _by_layout(column: pl.Series, layouts: dict[int, tuple[str, ...]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    import pyarrow as pa

    times, ok = np.zeros(len(column), dtype=np.int64), np.zeros(len(column), dtype=bool)
    if not layouts or not len(column):
        return times, ok
    array = column.to_arrow().cast(pa.large_string())
    _, offset_buffer, data_buffer = array.buffers()
    if data_buffer is None:
        return times, ok
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer, dtype=np.uint8)
    widths = np.diff(offsets)
    for width, candidates in layouts.items():
        rows = np.flatnonzero(widths == width)
        for layout in candidates if len(rows) else ():
            parsed, fits = parse_fixed(rows_of_width(data, offsets, rows, width), layout)
            times[rows[fits]] = parsed[fits]
            ok[rows[fits]] = True
    return times, ok


def _try(parser: Parser, text: str) -> int | None:
    try:
        value = parser(text)
    except (ValueError, OverflowError, DruidException):
        return None
    return value if _LONG_MIN // 2 <= value <= _LONG_MAX // 2 else None


def _strip_quotes(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("null timestamp")
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == '"' else text


def _text_parser(kind: str, form: str) -> Parser:
    special: dict[str, Callable[[str], int]] = {
        "auto": _parse_auto,
        "iso": _parse_iso,
        "millis": _parse_long,
        "posix": lambda text: _parse_long(text) * 1000,
        "micro": lambda text: int(_parse_long(text) / 1000),
        "nano": lambda text: int(_parse_long(text) / 1_000_000),
        "ruby": lambda text: int(float(_strip_quotes(text)) * 1000),
    }
    if kind in special:
        return special[kind]
    parse = compile_pattern(form)
    return lambda text: parse(_strip_quotes(text))


def _parse_long(text: str) -> int:
    text = _strip_quotes(text)
    if not _LONG.fullmatch(text) or not text.isascii():
        raise ValueError(text)
    value = int(text)
    if not _LONG_MIN <= value <= _LONG_MAX:
        raise ValueError(text)
    return value


def _parse_iso(text: str) -> int:
    text = _strip_quotes(text)
    if " " in text:
        raise ValueError(text)
    return parse_datetime(text)


def _parse_auto(text: str) -> int:
    if text.isascii() and text.isdigit():
        return _parse_long(text)
    text = _strip_quotes(text)
    head, _, tail = text.rpartition(" ")
    if head and _is_zone(tail):  # Druid shows such a time in that zone, but reads it in UTC
        text = head
    return parse_datetime(text)


def _is_zone(name: str) -> bool:
    if not name[:1].isalpha():
        return False
    try:
        zone(ZONE_NAMES.get(name, name))
    except DruidException:
        return False
    return True
