"""Makes segments of formats that Druid reads and no longer writes, or writes only beyond 2 GiB, from one of today's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import lz4.block
import numpy as np
from pyroaring import BitMap

from nemeton.json import smile
from nemeton.segment.bytereader import ByteReader
from nemeton.segment.generic_indexed import GenericIndexed, encode_list
from nemeton.segment.metadata import ColumnDescriptor, IndexFile, encode_descriptor
from nemeton.segment.smoosh import SmooshReader, SmooshWriter

Files = dict[str, bytes]
_NO_VALUES = b"\0\2" + bytes(4)


def read_files(folder: Path) -> Files:
    """All internal files of a segment."""
    smoosh = SmooshReader.open(folder)
    files = {name: bytes(smoosh.file(name)) for name in smoosh.entries}
    smoosh.close()
    return files


def write_files(files: Files, folder: Path, max_chunk_bytes: int) -> Path:
    """A segment of these internal files, in chunks of at most so many bytes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    writer = SmooshWriter(folder, max_chunk_bytes)
    for name, data in files.items():
        writer.add(name, [data])
    writer.finish()
    (folder / "version.bin").write_bytes((9).to_bytes(4, "big"))
    (folder / "factory.json").write_text('{"type":"mMapSegmentFactory"}')
    return folder


def list_v2(reader: ByteReader, base: str, log2: int, files: Files) -> bytes:
    """A list of version 1 as one of version 2: its values go to files of ``2**log2`` elements each."""
    old = GenericIndexed.read(reader)
    ends, header = [], bytearray()
    for start in range(0, len(old), 1 << log2):
        area = bytearray()
        for index in range(start, min(start + (1 << log2), len(old))):
            value = old.get(index)
            area += b"\xff" * 4 if value is None else bytes(4) + bytes(value)
            ends.append(len(area))
        files[f"{base}_value_{start >> log2}"] = bytes(area)
    header += np.array(ends, "<i4").tobytes()
    files[f"{base}_header"] = bytes(header)
    numbers = b"".join(n.to_bytes(4, "big") for n in (log2, len(old), len(base)))
    return bytes([2, old.is_sorted]) + numbers + base.encode()


def spread_lists(files: Files, column: str) -> None:
    """Give a string column a dictionary and bitmaps of version 2."""
    reader = ByteReader(memoryview(files[column]), column)
    ColumnDescriptor.read(reader)
    start = reader.pos
    reader.take(5)
    head = files[column][: start + 5]
    dictionary = list_v2(reader, f"{column}.dim_values", 3, files)
    codes_at = reader.pos
    reader.take(11)
    GenericIndexed.read(reader)
    codes = files[column][codes_at : reader.pos]
    files[column] = head + dictionary + codes + list_v2(reader, f"{column}.inverted", 2, files)


def old_head(version: int, base: str, has_nulls: bool) -> bytes:
    """The beginning of an old column of documents, up to the fields."""
    settings = {
        "byteOrder": "LITTLE_ENDIAN",
        "bitmapSerdeFactory": {"type": "roaring"},
        "fileNameBase": base,
        "hasNulls": has_nulls,
    }
    text = json.dumps(settings).encode()
    part = {"type": "complex", "typeName": "json"}
    return encode_descriptor("COMPLEX", part) + bytes([version]) + len(text).to_bytes(4, "big") + text


def documents_v5(files: Files, column: str) -> None:
    """Give a column of documents the beginning that version 5 has; its files stay as they are."""
    reader = ByteReader(memoryview(files[column]), column)
    has_nulls = bool(ColumnDescriptor.read(reader).part["hasNulls"])
    reader.u8()
    reader.take(reader.vbyte())
    files[column] = old_head(5, column, has_nulls) + bytes(reader.rest())


def plain_documents_v4(files: Files, column: str, values: Sequence[int | str | None]) -> None:
    """Add a column of documents in version 4 that are all numbers, or all texts."""
    is_text = any(isinstance(value, str) for value in values)
    distinct = sorted({value for value in values if value is not None})
    ids = [0 if value is None else 1 + distinct.index(value) for value in values]
    texts = b"".join(encode_list([None, *(v.encode() for v in distinct)] if is_text else [None], is_sorted=True))
    fields = b"".join(encode_list([b"$"], is_sorted=True)) + (b"\1" if is_text else b"\4")
    numbers = np.array([] if is_text else distinct, "<i8").tobytes()
    nulls = BitMap(i for i, value in enumerate(values) if value is None).serialize()
    base = f"{column}."
    files[column] = old_head(4, column, None in values) + fields
    files[f"{base}__stringDictionary"] = texts
    files[f"{base}__longDictionary"] = b"\0\2" + (len(numbers) // 8).to_bytes(4, "little") + numbers
    files[f"{base}__doubleDictionary"] = _NO_VALUES
    files[f"{base}__nullIndex"] = len(nulls).to_bytes(4, "big") + nulls
    blobs = [b"" if value is None else smile.dumps(value) for value in values]
    files[f"{base}__raw"] = b"\1" + len(values).to_bytes(4, "big")
    files[f"{base}__raw_offsets"] = block_file(np.cumsum([len(blob) for blob in blobs]).astype("<i8").tobytes())
    files[f"{base}__raw_compressed"] = block_file(b"".join(blobs))
    files[f"{base}__field_0"] = field_file(ids, values, is_text)


def block_file(data: bytes) -> bytes:
    assert len(data) <= 65536
    block = lz4.block.compress(data, store_size=False)
    head = b"\1\1" + (65536).to_bytes(4, "big") + (1).to_bytes(4, "big")
    return head + len(block).to_bytes(4, "little") + block


def field_file(ids: Sequence[int], values: Sequence[int | str | None], is_text: bool) -> bytes:
    """The only field: ids of the column's dictionary, a copy of the numbers, codes, and bitmaps."""
    used = sorted(set(ids))
    codes = np.array([used.index(id_) for id_ in ids], np.uint8).tobytes()
    copy = b""
    if not is_text:
        plain = np.array([value or 0 for value in values], "<i8").tobytes()
        copy = b"\2" + len(values).to_bytes(4, "big") + bytes(4) + b"\xfe" + plain
    block = lz4.block.compress(codes, store_size=False)
    sizes = len(values).to_bytes(4, "big") + (65536).to_bytes(4, "big")
    bitmaps = [BitMap(np.flatnonzero(np.array(ids) == id_)).serialize() for id_ in used]
    return b"".join(
        [
            b"\2" + bytes(4),
            b"\0\2" + len(used).to_bytes(4, "little") + np.array(used, "<i4").tobytes(),
            len(copy).to_bytes(4, "little") + bytes(4) + copy,
            b"\2\1" + sizes + b"\1" + b"".join(encode_list([block])),
            b"".join(encode_list(bitmaps)),
        ]
    )


def reshaped(source: Path, folder: Path) -> Path:
    """A segment of `mixed`, with all of the above, in chunks of 24 KiB."""
    files = read_files(source)
    spread_lists(files, "low")
    spread_lists(files, "uni")
    documents_v5(files, "nest")
    index = IndexFile.parse(memoryview(files["index.drd"]))
    rows = int.from_bytes(files["nest.__raw"][1:5], "big")
    plain_documents_v4(files, "old_long", [None if row % 7 == 3 else row * row % 11 for row in range(rows)])
    plain_documents_v4(files, "old_text", [None if row % 5 == 2 else f"t{row % 13}" for row in range(rows)])
    added = ["old_long", "old_text"]
    whole = IndexFile(
        [*index.metrics, *index.dimensions, *added],
        [*index.dimensions, *added],
        index.interval_start,
        index.interval_end,
        index.is_concise,
        index.null_columns,
    )
    files["index.drd"] = b"".join(whole.encode())
    files.pop("metadata.drd")
    return write_files(files, folder, max(24_576, max(map(len, files.values()))))
