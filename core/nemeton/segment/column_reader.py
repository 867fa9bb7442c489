"""From a column's descriptor to the column: one function per part type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pyroaring import BitMap

from nemeton.model import ColumnType
from nemeton.segment.bitmaps import BitmapIndex
from nemeton.segment.bytereader import ByteReader
from nemeton.segment.codes import CompressedInts, Ints, MultiInts, read_multi, read_single
from nemeton.segment.columns import Column, ColumnContext, NumericColumn, StringColumn, UnsupportedColumn
from nemeton.segment.constants import NullDictionary, Zeros
from nemeton.segment.dictionary import read_dictionary
from nemeton.segment.errors import corrupt
from nemeton.segment.generic_indexed import GenericIndexed
from nemeton.segment.metadata import ColumnDescriptor
from nemeton.segment.numbers import Numbers, read_numbers
from nemeton.segment.smoosh import SmooshReader

NUMPY_KINDS = {"LONG": "i8", "DOUBLE": "f8", "FLOAT": "f4"}
_MULTI, _MULTI_V3, _NO_BITMAPS = 1, 2, 4


def read_column(smoosh: SmooshReader, context: ColumnContext) -> Column:
    """Read a column of an opened segment: its headers, not its values."""
    reader = ByteReader(smoosh.file(context.name), context.name)
    descriptor = ColumnDescriptor.read(reader)
    read = _PARTS.get(descriptor.kind)
    if read is None:
        raise corrupt(context.name, f"unknown kind of column [{descriptor.kind}]")
    column: Column = read(reader, smoosh, descriptor, context)
    return column


def _column_type(name: str) -> ColumnType:
    return ColumnType.parse(name)


def _check_rows(context: ColumnContext, rows: int) -> None:
    if rows != context.num_rows:
        raise corrupt(context.name, f"{rows} rows, but the segment has {context.num_rows}")


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
    _check_rows(context, numbers.total)
    return NumericColumn(context, _column_type(name), numbers, null_bitmap, descriptor.is_concise)


def _string(
    reader: ByteReader, smoosh: SmooshReader, descriptor: ColumnDescriptor, context: ColumnContext
) -> StringColumn:
    """Part `stringDictionary` in its four versions."""
    version = reader.u8()
    if version > 3:
        raise corrupt(context.name, f"unknown version {version} of a string column")
    flags = reader.i32() if version >= 2 else 0
    is_multi = version == 1 or bool(flags & (_MULTI | _MULTI_V3))
    dictionary = read_dictionary(_named(reader, "dictionary"), smoosh, descriptor.order)
    codes: Ints | MultiInts
    if is_multi:
        codes = read_multi(_named(reader, "codes"), smoosh, descriptor.order)
        _check_rows(context, codes.num_rows)
    else:
        codes = read_single(_named(reader, "codes"), smoosh, descriptor.order)
        _check_rows(context, codes.total)
    index = None
    if not flags & _NO_BITMAPS:
        index = _bitmap_index(_named(reader, "bitmaps"), smoosh, descriptor, context, len(dictionary))
    return StringColumn(context, dictionary, codes, index, _column_type("STRING"))


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


def _null(reader: ByteReader, smoosh: SmooshReader, descriptor: ColumnDescriptor, context: ColumnContext) -> Column:
    """Part `null`: a row count and nothing else."""
    _check_rows(context, int(descriptor.part.get("numRows", -1)))
    kind = NUMPY_KINDS.get(descriptor.value_type)
    if kind is None:
        zeros = Zeros(context.num_rows, np.dtype(np.uint8))
        return StringColumn(context, NullDictionary(), zeros, None, _column_type("STRING"))
    everything = BitMap(range(context.num_rows))
    everything.run_optimize()
    rows = memoryview(everything.serialize())
    return NumericColumn(context, _column_type(descriptor.value_type), Zeros(context.num_rows, np.dtype(kind)), rows)


def _complex(reader: ByteReader, smoosh: SmooshReader, descriptor: ColumnDescriptor, context: ColumnContext) -> Column:
    """Part `complex`: the type is known, the values are for extensions to read."""
    return UnsupportedColumn(context, _column_type(f"COMPLEX<{descriptor.part.get('typeName', '')}>"))


def _nested(reader: ByteReader, smoosh: SmooshReader, descriptor: ColumnDescriptor, context: ColumnContext) -> Column:
    """Part `nestedCommonFormat`: scalar auto columns are read, the other kinds are only recognised."""
    part = descriptor.part
    logical = str(part.get("logicalType"))
    if part.get("isVariantType") or logical not in ("STRING", "LONG", "DOUBLE"):
        return UnsupportedColumn(context, _column_type(logical))
    version = reader.u8()
    if version != 0:
        raise corrupt(reader.part, f"unknown version {version} of an auto column")
    base = str(reader.take(reader.vbyte()), "utf-8", "replace")

    def file(name: str) -> ByteReader:
        return ByteReader(smoosh.file(f"{base}.{name}"), f"{base}.{name}")

    indexes = file("__valueIndexes")
    if logical == "STRING":
        dictionary = read_dictionary(file("__stringDictionary"), smoosh, descriptor.order)
        codes = CompressedInts.read_from(file("__encodedColumn"), smoosh, descriptor.order)
        _check_rows(context, codes.total)
        index = _bitmap_index(indexes, smoosh, descriptor, context, len(dictionary))
        return StringColumn(context, dictionary, codes, index, _column_type("STRING"))
    numbers: Numbers = read_numbers(file(f"__{logical.lower()}Column"), smoosh, NUMPY_KINDS[logical], descriptor.order)
    _check_rows(context, numbers.total)
    nulls = None
    if part.get("hasNulls"):  # the null index is the bitmap of dictionary entry 0, which is always null
        nulls = GenericIndexed.read(indexes, smoosh)[0]
    return NumericColumn(context, _column_type(logical), numbers, nulls, descriptor.is_concise)


_Reader = Callable[[ByteReader, SmooshReader, ColumnDescriptor, ColumnContext], Any]
_PARTS: dict[str, _Reader] = {
    **dict.fromkeys(["longV2", "doubleV2", "floatV2", "long", "double", "float"], _number),
    "stringDictionary": _string,
    "null": _null,
    "complex": _complex,
    "nestedCommonFormat": _nested,
}
