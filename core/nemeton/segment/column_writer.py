"""From column data to the bytes of a column file."""

from __future__ import annotations

import numpy as np
from attrs import evolve

from nemeton.segment.auto_writer import encode_auto
from nemeton.segment.column_data import (
    AutoData,
    ColumnData,
    ComplexData,
    DocumentData,
    MultiStringData,
    NumberData,
    PairData,
    StringData,
)
from nemeton.segment.complex_writer import encode_complex
from nemeton.segment.compression import Codec
from nemeton.segment.document_writer import encode_documents
from nemeton.segment.encode import (
    Pieces,
    dictionary_array,
    encode_codes,
    encode_multi_codes,
    encode_numbers,
    narrowest,
    size_of,
)
from nemeton.segment.encode_bitmaps import encode_bitmap, encode_bitmap_list
from nemeton.segment.encode_longs import encode_longs
from nemeton.segment.encode_strings import encode_strings
from nemeton.segment.errors import bad_column
from nemeton.segment.metadata import encode_descriptor
from nemeton.segment.pair_writer import encode_pairs
from nemeton.segment.settings import ColumnSettings, EncodedColumn

_MULTI, _MULTI_V3, _NO_BITMAPS = 1, 2, 4
_PLAIN_SINGLE, _PLAIN_MULTI, _COMPRESSED, _PLAIN_WITH_FLAGS = 0, 1, 2, 3


def encode_column(column: ColumnData, settings: ColumnSettings, may_be_null_only: bool) -> EncodedColumn:
    """Encode a column. With ``may_be_null_only`` a string column without any value becomes a mere `null` part.

    As in Druid, only string dimensions do; a number column without any value is stored in full.
    """
    if isinstance(column, NumberData):
        return EncodedColumn(_encode_number(column, settings))
    if isinstance(column, AutoData):
        return encode_auto(column, settings)
    if isinstance(column, DocumentData):
        return encode_documents(column, settings)
    if isinstance(column, ComplexData):
        return encode_complex(column, settings)
    if isinstance(column, PairData):
        return encode_pairs(column, settings)
    return _encode_string(column, settings, may_be_null_only)


def _encode_number(column: NumberData, settings: ColumnSettings) -> Pieces:
    values, nulls = np.asarray(column.values), column.nulls
    value_type: str = column.value_type  # type: ignore[attr-defined]
    dtype: np.dtype = column.dtype  # type: ignore[attr-defined]
    if not np.can_cast(values.dtype, dtype, "same_kind"):
        raise bad_column(column.name, f"{values.dtype} is given for a {value_type} column")
    if nulls is not None:
        if len(nulls) != len(values) or nulls.dtype != bool:
            raise bad_column(column.name, "the null mask is not one bool per row")
        nulls = nulls if nulls.any() else None
    values = values.astype(dtype, copy=False)
    if nulls is not None:
        values = np.where(nulls, dtype.type(0), values)
    if value_type == "LONG" and settings.spec.is_auto_long and len(values):
        body = encode_longs(values, settings.numbers)
    else:
        body = encode_numbers(values, settings.numbers)
    head = encode_descriptor(value_type, settings.part(f"{value_type.lower()}V2"))
    pieces: Pieces = [head, size_of(body).to_bytes(4, "big"), *body]
    if nulls is not None:
        bitmap = encode_bitmap(np.flatnonzero(nulls), settings.spec.is_concise)
        pieces += [len(bitmap).to_bytes(4, "big"), bitmap]
    return pieces


def _encode_string(
    column: StringData | MultiStringData, settings: ColumnSettings, may_be_null_only: bool
) -> EncodedColumn:
    if isinstance(column, MultiStringData):
        column = _with_null_for_empty_rows(column)
    array = dictionary_array(column.name, column.dictionary)
    cardinality = len(array)
    codes = _checked_codes(column.name, column.codes, cardinality)
    if may_be_null_only and cardinality == array.null_count:
        part = {"type": "null", "numRows": column.num_rows, "bitmapSerdeFactory": settings.spec.bitmap_factory}
        return EncodedColumn([encode_descriptor("STRING", part)], is_null_only=True)
    is_multi = isinstance(column, MultiStringData)
    offsets = _checked_offsets(column) if isinstance(column, MultiStringData) else None
    to = settings.codes
    version, flags = _version(to.codec, is_multi, column.has_bitmaps)
    head = encode_descriptor("STRING", settings.part("stringDictionary"), is_multi)
    pieces: Pieces = [head, bytes([version])]
    if version >= _COMPRESSED:
        pieces.append(flags.to_bytes(4, "big"))
    pieces += encode_strings(array, settings.spec.front_coded)
    if offsets is not None:
        pieces += encode_multi_codes(offsets, codes, cardinality, to)
    else:
        pieces += encode_codes(codes, cardinality, to)
    if column.has_bitmaps:
        pieces += encode_bitmap_list(codes, offsets, cardinality, settings.spec.is_concise)
    return EncodedColumn(pieces)


def _version(codec: Codec, is_multi: bool, has_bitmaps: bool) -> tuple[int, int]:
    flags = 0 if has_bitmaps else _NO_BITMAPS
    if codec is not Codec.UNCOMPRESSED:
        return _COMPRESSED, flags | (_MULTI_V3 if is_multi else 0)
    if has_bitmaps:
        return (_PLAIN_MULTI if is_multi else _PLAIN_SINGLE), 0
    return _PLAIN_WITH_FLAGS, flags | (_MULTI if is_multi else 0)


def _checked_codes(name: str, codes: np.ndarray, cardinality: int) -> np.ndarray:
    """Return codes as unsigned integers of the narrowest type, all of them in the dictionary."""
    codes = np.asarray(codes)
    if codes.dtype.kind not in "iu":
        raise bad_column(name, f"its codes are {codes.dtype}")
    if len(codes) and not (codes.min() >= 0 and codes.max() < cardinality):
        raise bad_column(name, f"there are codes from {codes.min()} to {codes.max()} for {cardinality} values")
    return codes.astype(narrowest(cardinality), copy=False)


def _checked_offsets(column: MultiStringData) -> np.ndarray:
    offsets = np.asarray(column.offsets)
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(column.codes) or (np.diff(offsets) < 0).any():
        raise bad_column(column.name, "its offsets do not ascend from 0 to the number of values")
    return offsets


def _with_null_for_empty_rows(column: MultiStringData) -> MultiStringData:
    """Rows without values are indexed under null, so null must be in the dictionary."""
    import pyarrow as pa

    dictionary = column.dictionary
    if isinstance(dictionary, pa.Array):
        has_null = dictionary.null_count > 0
    else:
        has_null = bool(len(dictionary)) and dictionary[0] is None
    if has_null or not (np.diff(column.offsets) == 0).any():
        return column
    values = dictionary.to_pylist() if isinstance(dictionary, pa.Array) else list(dictionary)
    return evolve(column, dictionary=[None, *values], codes=np.asarray(column.codes).astype(np.int64) + 1)
