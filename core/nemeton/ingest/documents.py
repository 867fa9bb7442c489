"""Columns of documents: polars Binary columns whose values are the texts of JSON values, each whatever JSON has.

Between the formats and the dimensions a column is one of this kind where its values are objects, or of several types.
Null in the column is JSON's null; a field that was not there is null, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def is_documents(column: pl.Series) -> bool:
    """Whether the values are texts of JSON values."""
    import polars as pl

    return column.dtype == pl.Binary


def encode_documents(name: str, values: Iterable[Any]) -> pl.Series:
    """Python's form of JSON values as a column of documents."""
    import msgspec
    import polars as pl

    encode = msgspec.json.Encoder().encode
    return pl.Series(name, [None if value is None else encode(value) for value in values], dtype=pl.Binary)


def decode_documents(column: pl.Series) -> Iterator[Any]:
    """The values of any raw column in Python's form of JSON."""
    import msgspec

    if not is_documents(column):
        yield from column.to_list()
        return
    decode = msgspec.json.Decoder().decode
    for text in column:
        yield None if text is None else decode(text)
