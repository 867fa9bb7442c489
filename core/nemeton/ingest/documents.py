"""Columns of documents: polars Binary columns whose values are the texts of JSON values, each whatever JSON has.

Between the formats and the dimensions a column is one of this kind where its values are objects, or of several types.
Null in the column is JSON's null; a field that was not there is null, too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def is_flat(value: Any) -> bool:
    """Whether a field of this value is found by string discovery: no object, no list of objects or lists."""
    if isinstance(value, list):
        return not any(isinstance(item, dict | list) for item in value)
    return not isinstance(value, dict)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; booleans are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_documents(column: pl.Series) -> bool:
    """Whether the values are texts of JSON values."""
    import polars as pl

    return column.dtype == pl.Binary


def encode_documents(name: str, values: Iterable[Any]) -> pl.Series:
    """Python's form of JSON values as a column of documents."""
    import msgspec
    import polars as pl

    encode = msgspec.json.Encoder().encode

    def one(value: Any) -> bytes | None:
        if value is None:
            return None
        text = encode(value)
        if b"null" in text and _has_infinite(value):  # JSON has no such numbers; Python's has words for them
            return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return text

    return pl.Series(name, [one(value) for value in values], dtype=pl.Binary)


def _has_infinite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return any(_has_infinite(item) for item in inner)


def decode_document(text: bytes) -> Any:
    """One value of a column of documents, in Python's form of JSON."""
    import msgspec

    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def decode_documents(column: pl.Series) -> Iterator[Any]:
    """The values of any raw column in Python's form of JSON."""
    if not is_documents(column):
        yield from column.to_list()
        return
    for text in column:
        yield None if text is None else decode_document(text)


def flat_values(column: pl.Series) -> list[Any]:
    """The values that string discovery finds; null in place of objects, and of lists that hold objects or lists."""
    return [value if is_flat(value) else None for value in decode_documents(column)]


def concat_columns(parts: Sequence[pl.Series]) -> pl.Series:
    """Raw columns one after another: of the widest of their types, or as documents where they have none in common."""
    import polars as pl

    if len(parts) == 1:
        return parts[0]
    kinds = {part.dtype for part in parts} - {pl.Null()}
    if len(kinds) > 1 and not all(kind.is_numeric() for kind in kinds):
        parts = [part if part.dtype in (pl.Binary, pl.Null) else encode_documents("", part.to_list()) for part in parts]
    return pl.concat([part.alias("c").to_frame() for part in parts], how="vertical_relaxed")["c"]
