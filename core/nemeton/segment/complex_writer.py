"""Encoding of complex columns: the values as their type writes them, in a list or in compressed blocks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nemeton.segment.column_data import ComplexData
from nemeton.segment.encode import Pieces, encode_items, value_buffers
from nemeton.segment.encode_bitmaps import encode_bitmap
from nemeton.segment.encode_values import encode_blobs
from nemeton.segment.metadata import encode_descriptor
from nemeton.segment.settings import ColumnSettings, EncodedColumn

if TYPE_CHECKING:
    import pyarrow as pa

_COMPRESSED = b"\x7f\x00"
_NULL_MARKER = 0xFF


def encode_complex(column: ComplexData, settings: ColumnSettings) -> EncodedColumn:
    """Encode a column of values that are bytes already."""
    head = encode_descriptor("COMPLEX", {"type": "complex", "typeName": column.type_name})
    offsets, data = blob_buffers(column.blobs)
    nulls = np.flatnonzero(column.blobs.is_null().to_numpy(zero_copy_only=False))
    to = settings.complex_values
    if to is None:
        header, values = encode_items(data, np.diff(offsets), column.name)
        starts = offsets[nulls] + 4 * nulls
        for i in range(4):
            values[starts + i] = _NULL_MARKER
        return EncodedColumn([head, header, values.data])
    spec: dict[str, object] = {"byteOrder": "LITTLE_ENDIAN", "bitmapSerdeFactory": settings.spec.bitmap_factory}
    spec |= {"fileNameBase": column.name, "hasNulls": bool(len(nulls))}
    text = json.dumps(spec, separators=(",", ":"), ensure_ascii=False).encode()
    files = encode_blobs("__complexColumn", offsets, data.data, to)
    if len(nulls):
        files.append(("__nullIndex", sized_bitmap(nulls, settings)))
    return EncodedColumn([head, _COMPRESSED, len(text).to_bytes(4, "big") + text], tuple(files))


def sized_bitmap(rows: NDArray[np.intp], settings: ColumnSettings) -> Pieces:
    """A bitmap that stands alone, with its length."""
    bitmap = encode_bitmap(rows, settings.spec.is_concise)
    return [len(bitmap).to_bytes(4, "big"), bitmap]


def blob_buffers(blobs: pa.Array | pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The bounds of an Arrow large_binary array's values, from 0 on, and their bytes; nulls have none."""
    import pyarrow as pa

    array = blobs.combine_chunks() if isinstance(blobs, pa.ChunkedArray) else blobs
    return value_buffers(array.cast(pa.large_binary()).fill_null(b""))
