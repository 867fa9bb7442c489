"""From a column's descriptor to the column: one function per part type."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from pyroaring import BitMap

from nemeton.model import ColumnType
from nemeton.segment.bitmaps import BitmapIndex
from nemeton.segment.blobs import BlobColumn
from nemeton.segment.bytereader import ByteReader
from nemeton.segment.codes import CompressedInts, Ints, MultiInts, read_multi, read_single
from nemeton.segment.columns import Column, ColumnContext, NumericColumn, StringColumn, UnsupportedColumn
from nemeton.segment.constants import NullDictionary, Zeros
from nemeton.segment.dictionary import read_dictionary
from nemeton.segment.errors import corrupt
from nemeton.segment.generic_indexed import GenericIndexed
from nemeton.segment.global_dictionary import GlobalDictionary
from nemeton.segment.metadata import ColumnDescriptor
from nemeton.segment.numbers import Numbers, read_numbers
from nemeton.segment.object_columns import ArrayColumn, ComplexColumn, NestedColumn, ObjectColumn
from nemeton.segment.old_documents import VERSIONS, BlobSettings, read_old_documents
from nemeton.segment.pairs import STRING_PAIRS, VALUE_KINDS, PairColumn, read_number_pairs, read_string_pairs
from nemeton.segment.smoosh import SmooshReader
from nemeton.segment.value_types import NAMES

NUMPY_KINDS = {"LONG": "i8", "DOUBLE": "f8", "FLOAT": "f4"}
_MULTI, _MULTI_V3, _NO_BITMAPS = 1, 2, 4
_COMPRESSED_COMPLEX = 0x7F
_LOGICAL_TYPES = {"COMPLEX<json>", *NAMES.values()}

AnyColumn = Column | ObjectColumn


def read_column(smoosh: SmooshReader, context: ColumnContext) -> AnyColumn:
    """Read a column of an opened segment: its headers, not its values."""
    reader = ByteReader(smoosh.file(context.name), context.name)
    descriptor = ColumnDescriptor.read(reader)
    read = _PARTS.get(descriptor.kind)
    if read is None:
        raise corrupt(context.name, f"unknown kind of column [{descriptor.kind}]")
    column: AnyColumn = read(reader, smoosh, descriptor, context)
    return column


def _column_type(name: str) -> ColumnType:
    return ColumnType.parse(name)


def _number(
    reader: ByteReader, smoosh: SmooshReader, descriptor: ColumnDescriptor, context: ColumnContext
) -> NumericColumn:
    """Parts `longV2`, `doubleV2`, `floatV2` and, without length and nulls, `long`, `double`, `float`."""
    name = descriptor.kind.removesuffix("V2").upper()
    null_bitmap = None
    if descriptor.kind.endswith("V2"):
        body = reader.sub(reader.take(reader.size("size of values")), "values")
        if reader.remaining:
            null_bitmap = reader.take(reader.size("size of null bitmap"))
    else:
        body = reader
    numbers = read_numbers(body, smoosh, NUMPY_KINDS[name], descriptor.order)
    context.check_rows(numbers.total)
    return NumericColumn(context, _column_type(name), numbers, null_bitmap, descriptor.is_concise)


def _string(
    reader: ByteReader, smoosh: SmooshReader, descriptor: ColumnDescriptor, context: ColumnContext
) -> StringColumn:
    """Part `stringDictionary` in its four versions."""
    version = reader.u8()
    if version > 3:
        raise corrupt(context.name, f"unknown version {version} of a string column")
    flags = reader.i32() if version >= 2 else 0
    if flags & ~(_MULTI | _MULTI_V3 | _NO_BITMAPS):
        raise corrupt(context.name, f"unknown flags {flags} of a string column")
    is_multi = version == 1 or bool(flags & (_MULTI | _MULTI_V3))
    dictionary = read_dictionary(_named(reader, "dictionary"), smoosh, descriptor.order)
    codes: Ints | MultiInts
    if is_multi:
        codes = read_multi(_named(reader, "codes"), smoosh, descriptor.order)
        context.check_rows(codes.num_rows)
    else:
        codes = read_single(_named(reader, "codes"), smoosh, descriptor.order)
        context.check_rows(codes.total)
    index = None
    if not flags & _NO_BITMAPS:
        index = _bitmap_index(_named(reader, "bitmaps"), smoosh, descriptor, context, len(dictionary))
    spatial = _spatial_dimensions(_named(reader, "spatial index")) if reader.remaining else 0
    return StringColumn(context, dictionary, codes, index, _column_type("STRING"), spatial)


def _spatial_dimensions(reader: ByteReader) -> int:
    """How many dimensions the tree has that follows the bitmaps; the tree itself is not read."""
    size = reader.size("size")
    if size != reader.remaining:
        raise corrupt(reader.part, f"{reader.remaining} bytes follow the bitmaps, which are no tree of {size} bytes")
    version, dimensions = reader.u8(), reader.size("number of dimensions")
    if version != 0 or not dimensions:
        raise corrupt(reader.part, f"version {version} of a tree of {dimensions} dimensions")
    return dimensions


class _NamedReader(ByteReader):
    """A reader at the position of another, which moves along with it, but whose errors name a structure."""

    __slots__ = ("_outer",)

    def __init__(self, outer: ByteReader, what: str) -> None:
        super().__init__(outer.data, f"{outer.part}: {what}")
        self.pos = outer.pos
        self._outer = outer

    def take(self, size: int) -> memoryview:
        view = super().take(size)
        self._outer.pos = self.pos
        return view


def _named(reader: ByteReader, what: str) -> ByteReader:
    return _NamedReader(reader, what)


def _bitmap_index(
    reader: ByteReader, smoosh: SmooshReader, descriptor: ColumnDescriptor, context: ColumnContext, cardinality: int
) -> BitmapIndex:
    bitmaps = GenericIndexed.read(reader, smoosh)
    if len(bitmaps) < cardinality:
        raise corrupt(reader.part, f"{len(bitmaps)} bitmaps for {cardinality} values")
    return BitmapIndex(reader.part, bitmaps, descriptor.is_concise, context.num_rows)


def _null(reader: ByteReader, smoosh: SmooshReader, descriptor: ColumnDescriptor, context: ColumnContext) -> AnyColumn:
    """Part `null`: a row count and nothing else."""
    rows = descriptor.part.get("numRows")
    if not isinstance(rows, int):
        raise corrupt(context.name, f"[{rows}] rows of nulls")
    context.check_rows(rows)
    kind = NUMPY_KINDS.get(descriptor.value_type)
    if kind is None:
        zeros = Zeros(context.num_rows, np.dtype(np.uint8))
        return StringColumn(context, NullDictionary(), zeros, None, _column_type("STRING"))
    everything = BitMap(range(context.num_rows))
    everything.run_optimize()
    rows = memoryview(everything.serialize())
    return NumericColumn(context, _column_type(descriptor.value_type), Zeros(context.num_rows, np.dtype(kind)), rows)


def _complex(
    reader: ByteReader, smoosh: SmooshReader, descriptor: ColumnDescriptor, context: ColumnContext
) -> AnyColumn:
    """Part `complex`: values as their type writes them, in a list or in compressed blocks."""
    type_name = str(descriptor.part.get("typeName", ""))
    column_type = _column_type(f"COMPLEX<{type_name}>")
    if type_name in VALUE_KINDS:
        return PairColumn(context, column_type, partial(read_number_pairs, reader.rest(), reader.part, type_name))
    first = reader.data[reader.pos] if reader.remaining else None
    if first == _COMPRESSED_COMPLEX:
        return _compressed_complex(reader, smoosh, context, column_type)
    if type_name == "json" and first in VERSIONS:
        return read_old_documents(reader, smoosh, context)
    if first not in (1, 2):
        return UnsupportedColumn(context, column_type)
    blobs = GenericIndexed.read(reader, smoosh)
    context.check_rows(len(blobs))
    if type_name == STRING_PAIRS:
        return PairColumn(context, column_type, partial(read_string_pairs, blobs))
    return ComplexColumn(context, column_type, blobs, True)


def _compressed_complex(
    reader: ByteReader, smoosh: SmooshReader, context: ColumnContext, column_type: ColumnType
) -> AnyColumn:
    reader.take(2)
    settings = BlobSettings.read(reader)
    blobs = BlobColumn.read_from(smoosh, f"{settings.base}.__complexColumn", settings.order)
    context.check_rows(len(blobs))
    return ComplexColumn(context, column_type, blobs, settings.has_nulls)


def _nested(
    reader: ByteReader, smoosh: SmooshReader, descriptor: ColumnDescriptor, context: ColumnContext
) -> AnyColumn:
    """Part `nestedCommonFormat`: scalars, arrays, mixed types and documents."""
    logical, order = str(descriptor.part.get("logicalType")), descriptor.order
    version = reader.u8()
    if version != 0:
        raise corrupt(reader.part, f"unknown version {version} of an auto column")
    if logical not in _LOGICAL_TYPES:
        raise corrupt(reader.part, f"unknown type [{logical}] of an auto column")
    base = str(reader.take(reader.vbyte()), "utf-8", "replace")
    has_nulls = bool(descriptor.part.get("hasNulls"))

    def file(name: str) -> ByteReader:
        return ByteReader(smoosh.file(f"{base}.{name}"), f"{base}.{name}")

    if logical.startswith("COMPLEX"):
        documents = BlobColumn.read_from(smoosh, f"{base}.__raw", order)
        context.check_rows(len(documents))
        return NestedColumn(context, _column_type(logical), documents, has_nulls)
    if descriptor.part.get("isVariantType") or logical not in ("STRING", "LONG", "DOUBLE"):
        ids = CompressedInts.read_from(file("__encodedColumn"), smoosh, order)
        context.check_rows(ids.total)
        dictionary = GlobalDictionary.read(file, smoosh, order)
        is_variant = bool(descriptor.part.get("isVariantType"))
        kind = _column_type(logical)
        return ArrayColumn(context, kind, dictionary, ids, has_nulls, is_variant, _is_cast(descriptor))
    return _scalar(file, smoosh, descriptor, context, logical)


def _is_cast(descriptor: ColumnDescriptor) -> bool:
    """Whether the column was asked to be of its type."""
    return bool(descriptor.part.get("enforceLogicalType"))


def _scalar(
    file: Callable[[str], ByteReader],
    smoosh: SmooshReader,
    descriptor: ColumnDescriptor,
    context: ColumnContext,
    logical: str,
) -> AnyColumn:
    """Auto columns with values of one type that is no array."""
    indexes = file("__valueIndexes")
    if logical == "STRING":
        dictionary = read_dictionary(file("__stringDictionary"), smoosh, descriptor.order)
        codes = CompressedInts.read_from(file("__encodedColumn"), smoosh, descriptor.order)
        context.check_rows(codes.total)
        index = _bitmap_index(indexes, smoosh, descriptor, context, len(dictionary))
        is_cast = _is_cast(descriptor)
        return StringColumn(context, dictionary, codes, index, _column_type("STRING"), is_auto=True, is_cast=is_cast)
    numbers: Numbers = read_numbers(file(f"__{logical.lower()}Column"), smoosh, NUMPY_KINDS[logical], descriptor.order)
    context.check_rows(numbers.total)
    nulls = None
    if descriptor.part.get("hasNulls"):  # the null index is the bitmap of dictionary entry 0, which is always null
        bitmaps = GenericIndexed.read(indexes, smoosh)
        if not len(bitmaps):
            raise corrupt(indexes.part, "the bitmap of nulls is missing")
        nulls = bitmaps[0]
    kind, is_cast = _column_type(logical), _is_cast(descriptor)
    return NumericColumn(context, kind, numbers, nulls, descriptor.is_concise, is_auto=True, is_cast=is_cast)


_Reader = Callable[[ByteReader, SmooshReader, ColumnDescriptor, ColumnContext], Any]
_PARTS: dict[str, _Reader] = {
    **dict.fromkeys(["longV2", "doubleV2", "floatV2", "long", "double", "float"], _number),
    "stringDictionary": _string,
    "null": _null,
    "complex": _complex,
    "nestedCommonFormat": _nested,
}
