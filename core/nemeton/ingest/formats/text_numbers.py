"""Numbers in texts: what ``tryParseNumbers`` makes of the values of CSV and TSV."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.ingest.documents import decode_documents, is_documents
from nemeton.ingest.values import column_of
from nemeton.query.numbers import LONG_MAX, LONG_MIN

if TYPE_CHECKING:
    import polars as pl

#: A leading zero announces an octal number, which is then read as a decimal one: as Druid has it.
_LONG = r"^-?(?:0[0-7]*|[1-9][0-9]*)$"
_DOUBLE = (
    r"^[+-]?(?:0[0-7]*|[1-9][0-9]*(?:[eE][+-]?[0-9]+)?[fFdD]?|"
    r"(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?)$"
)
_IS_LONG = re.compile(_LONG)
_IS_DOUBLE = re.compile(_DOUBLE)


def number_or_text(text: str | None) -> Any:
    """A long, a double, or the text itself."""
    if text is None or not _IS_DOUBLE.match(text):
        return text
    if _IS_LONG.match(text) and LONG_MIN <= int(text) <= LONG_MAX:
        return int(text)
    return float(text.rstrip("fFdD"))


def _parsed(value: Any) -> Any:
    if not isinstance(value, list):
        return number_or_text(value)
    return number_or_text(value[0]) if len(value) == 1 else list(map(number_or_text, value))


def parse_numbers(column: pl.Series, target: str) -> pl.Series:
    """A column of texts, or lists of texts, with numbers in place of those that are some."""
    import polars as pl

    if isinstance(column.dtype, pl.List) or is_documents(column):
        return column_of(column.name, list(map(_parsed, decode_documents(column))), target)
    number = column.str.contains(_DOUBLE).fill_null(False)
    if not number.any():
        return column
    texts = int((~number).sum()) - column.null_count()
    longs = _longs(column)
    if not texts and longs.null_count() == column.null_count():
        return longs
    if not texts and int(longs.is_not_null().sum()) == 0:
        return _doubles(column)
    return column_of(column.name, list(map(number_or_text, column.to_list())), target)


def _longs(column: pl.Series) -> pl.Series:
    """The longs; null elsewhere."""
    import polars as pl

    return (
        pl.select(pl.when(column.str.contains(_LONG)).then(column))
        .to_series()
        .cast(pl.Int64, strict=False)
        .alias(column.name)
    )


def _doubles(column: pl.Series) -> pl.Series:
    """Numbers that are no longs."""
    import polars as pl

    numbers = column.str.strip_chars_end("fFdD").cast(pl.Float64, strict=False)
    odd = np.flatnonzero((numbers.is_null() & column.is_not_null()).to_numpy())
    if len(odd):
        numbers = numbers.scatter(odd, [number_or_text(text) for text in column.gather(odd).to_list()])
    return numbers.alias(column.name)
