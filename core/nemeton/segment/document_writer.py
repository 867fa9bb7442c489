"""Encoding of documents: the raw ones, and for each of their fields its values with an index."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from nemeton.segment.auto_writer import dictionary_files, element_rows, own_file, value_copy
from nemeton.segment.column_data import DocumentData
from nemeton.segment.complex_writer import blob_buffers, sized_bitmap
from nemeton.segment.compression import Codec
from nemeton.segment.encode import Pieces, encode_codes, encode_dictionary, size_of
from nemeton.segment.encode_bitmaps import encode_bitmap_list, encode_bitmap_pairs
from nemeton.segment.encode_values import encode_blobs, encode_fixed
from nemeton.segment.java_order import java_sort_key
from nemeton.segment.settings import ColumnSettings, EncodedColumn
from nemeton.segment.shredder import shred
from nemeton.segment.typed_values import TypedValues, bounds, join
from nemeton.segment.value_types import ARRAYS, DOUBLE, LONG, TypeSet

_PLAIN, _COMPRESSED = 0, 2


def encode_documents(column: DocumentData, settings: ColumnSettings) -> EncodedColumn:
    """Encode a column of documents, in Druid's format of `json` columns."""
    import pyarrow as pa

    codes = np.asarray(column.codes)
    fields = shred(column.documents)
    found = {name: TypeSet.of(values) for name, values in fields.items()}
    types = {name: found[name] for name in sorted(found, key=java_sort_key) if not found[name].is_empty}
    joined = join([fields[name] for name in types]) or [TypedValues.nulls(0)]
    nulls = np.flatnonzero(codes == 0)
    files = dictionary_files(joined[0], settings)
    files += _raw(column, codes, settings)
    if len(nulls):
        files.append(("__nullIndex", sized_bitmap(nulls, settings)))
    for number, (values, kinds) in enumerate(zip(joined, types.values(), strict=False)):
        of_documents = np.append(np.int32(0), values.ids)
        field = _Field(values, of_documents[codes], kinds)
        files.append((f"__field_{number}", _encode_field(field, settings)))
    own = own_file(column.name, settings, "COMPLEX<json>", bool(len(nulls)))
    listed = encode_dictionary(pa.array(list(types), pa.large_string()))
    return EncodedColumn([*own, *listed, bytes(kinds.field_byte for kinds in types.values())], tuple(files))


def _raw(column: DocumentData, codes: NDArray[np.integer], settings: ColumnSettings) -> list[tuple[str, Pieces]]:
    """The documents row by row; a null row has no bytes."""
    offsets, data = blob_buffers(column.documents)
    lengths = np.append(0, np.diff(offsets))[codes]
    starts = np.append(0, offsets[:-1])[codes]
    ends = bounds(lengths)
    rows = data[np.repeat(starts - ends[:-1], lengths) + np.arange(ends[-1])]
    return encode_blobs("__raw", ends, np.ascontiguousarray(rows).data, settings.documents)


@frozen(eq=False)
class _Field:
    values: TypedValues
    ids: NDArray[np.int32]
    types: TypeSet


def _encode_field(field: _Field, settings: ColumnSettings) -> Pieces:
    is_concise = settings.spec.is_concise
    locals_, codes = np.unique(field.ids, return_inverse=True)
    to = settings.codes
    version = _PLAIN if to.codec is Codec.UNCOMPRESSED else _COMPRESSED
    longs, doubles = _copies(field, settings)
    sizes = size_of(longs).to_bytes(4, "little") + size_of(doubles).to_bytes(4, "little")
    pieces: Pieces = [bytes([version]) + bytes(4), *encode_fixed(locals_.astype(np.int32)), sizes, *longs, *doubles]
    # Druid takes the width of codes from the greatest global id
    pieces += encode_codes(codes.astype(np.uint32), int(locals_[-1]) if len(locals_) else 0, to)
    pieces += encode_bitmap_list(codes.astype(np.uint32), None, len(locals_), is_concise)
    if (field.types.single or 0) & ARRAYS:
        elements, pairs = element_rows(field.ids, field.values)
        if len(elements):
            pieces += encode_fixed(elements.astype(np.int32))
            pieces += encode_bitmap_pairs(*pairs, len(elements), is_concise)
    return pieces


def _copies(field: _Field, settings: ColumnSettings) -> tuple[Pieces, Pieces]:
    """The numbers of a field that has no other values, as longs or as doubles."""
    starts = field.values.starts
    if field.types.single == LONG:
        return value_copy(np.maximum(field.ids - starts[1] + 1, 0), field.values.longs, settings), []
    if field.types.single == DOUBLE:
        return [], value_copy(np.maximum(field.ids - starts[2] + 1, 0), field.values.doubles, settings)
    return [], []
