"""Encoding of auto columns: values of one type, arrays, values of several types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nemeton.segment.column_data import AutoData
from nemeton.segment.encode import Pieces, encode_codes, encode_numbers
from nemeton.segment.encode_bitmaps import encode_bitmap_list, encode_bitmap_pairs
from nemeton.segment.encode_longs import encode_longs
from nemeton.segment.encode_strings import encode_strings
from nemeton.segment.encode_values import encode_arrays, encode_fixed, vbyte
from nemeton.segment.errors import bad_column
from nemeton.segment.metadata import encode_descriptor
from nemeton.segment.settings import ColumnSettings, EncodedColumn
from nemeton.segment.typed_values import TypedValues, join
from nemeton.segment.value_types import DOUBLE, LONG, NAMES, STRING, TypeSet, least_restrictive

if TYPE_CHECKING:
    import pyarrow as pa

_BITS = {name: bit for bit, name in NAMES.items()}


def encode_auto(column: AutoData, settings: ColumnSettings) -> EncodedColumn:
    """Encode as Druid would: in the form for the types that occur, or for the one that was asked for."""
    (values,) = join([column.values])
    types = TypeSet.of(values)
    kind: int | None = STRING if types.is_empty else types.single
    if column.cast_to is not None:
        kind = _asked(column, types)
    if kind is None:
        widest = least_restrictive(types.byte)
        assert widest is not None
        return _encode_mixed(column, values, widest, types.byte, settings)
    if kind in (STRING, LONG, DOUBLE):
        return _encode_scalars(column, values, kind, settings)
    return _encode_mixed(column, values, kind, None, settings)


def _asked(column: AutoData, types: TypeSet) -> int:
    kind = _BITS.get(str(column.cast_to))
    if kind is None:
        raise bad_column(column.name, f"there are no columns of type {column.cast_to}")
    if not types.is_empty and types.single != kind:
        raise bad_column(column.name, f"it holds values that are no {column.cast_to}")
    return kind


def own_file(
    name: str,
    settings: ColumnSettings,
    logical: str,
    has_nulls: bool,
    *,
    is_variant: bool = False,
    is_cast: bool = False,
) -> Pieces:
    """The descriptor and the beginning of the column's own file."""
    part = settings.part(
        "nestedCommonFormat",
        logicalType=logical,
        hasNulls=has_nulls,
        isVariantType=is_variant,
        enforceLogicalType=is_cast,
    )
    raw = name.encode()
    return [encode_descriptor("COMPLEX", part), b"\0" + vbyte(len(raw)) + raw]


def _encode_scalars(column: AutoData, values: TypedValues, kind: int, settings: ColumnSettings) -> EncodedColumn:
    count = max(len(values.strings), len(values.longs), len(values.doubles)) + 1
    files: list[tuple[str, Pieces]] = []
    if kind == STRING:
        files.append(("__stringDictionary", encode_strings(with_null(values), settings.spec.front_coded)))
    else:
        is_long = kind == LONG
        distinct: NDArray[Any] = values.longs if is_long else values.doubles
        word = "long" if is_long else "double"
        files.append((f"__{word}Dictionary", encode_fixed(distinct, has_null=True)))
        files.append((f"__{word}Column", value_copy(values.ids, distinct, settings)))
    files.append(("__encodedColumn", encode_codes(values.ids, count, settings.auto_codes)))
    files.append(("__valueIndexes", encode_bitmap_list(values.ids, None, count, settings.spec.is_concise)))
    own = own_file(column.name, settings, NAMES[kind], values.has_nulls, is_cast=column.cast_to is not None)
    return EncodedColumn(own, tuple(files))


def with_null(values: TypedValues) -> pa.LargeStringArray:
    """The strings with null in front, as dictionaries have it."""
    import pyarrow as pa

    return pa.concat_arrays([pa.nulls(1, pa.large_string()), values.strings])


def value_copy(ids: NDArray[np.integer], distinct: NDArray[Any], settings: ColumnSettings) -> Pieces:
    """The numbers row by row, beside their dictionary; 0 for null. ``ids``: 0 for null, then as in ``distinct``."""
    numbers = np.concatenate([np.zeros(1, distinct.dtype), distinct])[ids]
    if settings.spec.is_auto_long and numbers.dtype.kind == "i" and len(numbers):
        return encode_longs(numbers, settings.codes)
    return encode_numbers(numbers, settings.codes)


def dictionary_files(values: TypedValues, settings: ColumnSettings) -> list[tuple[str, Pieces]]:
    """The four dictionaries of a column whose values have one space of ids."""
    return [
        ("__stringDictionary", encode_strings(with_null(values), settings.spec.front_coded)),
        ("__longDictionary", encode_fixed(values.longs)),
        ("__doubleDictionary", encode_fixed(values.doubles)),
        ("__arrayDictionary", encode_arrays(values.arrays)),
    ]


def _encode_mixed(
    column: AutoData, values: TypedValues, kind: int, types: int | None, settings: ColumnSettings
) -> EncodedColumn:
    """Arrays, or with ``types`` values of several types."""
    count = values.starts[4]
    is_concise = settings.spec.is_concise
    elements, pairs = element_rows(values.ids, values)
    files = dictionary_files(values, settings)
    files += [
        ("__arrayElementDictionary", encode_fixed(elements.astype(np.int32))),
        ("__encodedColumn", encode_codes(values.ids, count, settings.auto_codes)),
        ("__valueIndexes", encode_bitmap_list(values.ids, None, count, is_concise)),
        ("__arrayElementIndexes", encode_bitmap_pairs(*pairs, len(elements), is_concise)),
    ]
    own = own_file(
        column.name,
        settings,
        NAMES[kind],
        values.has_nulls,
        is_variant=types is not None,
        is_cast=column.cast_to is not None,
    )
    return EncodedColumn([*own, b"" if types is None else bytes([types])], tuple(files))


def element_rows(
    ids: NDArray[np.integer], values: TypedValues
) -> tuple[NDArray[np.int64], tuple[NDArray[np.uint32], NDArray[np.uint32]]]:
    """The ids that occur as elements of the rows' arrays; and their places there with the rows, ordered, each once."""
    first = values.starts[3]
    rows = np.flatnonzero(ids >= first)
    taken = values.arrays.take(ids[rows].astype(np.int64) - first)
    elements, codes = np.unique(taken.elements, return_inverse=True)
    pairs = np.unique(codes.astype(np.int64) << 32 | np.repeat(rows, taken.lengths))
    return elements, ((pairs >> 32).astype(np.uint32), (pairs & 0xFFFFFFFF).astype(np.uint32))
