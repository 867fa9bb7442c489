"""Columns of documents as Druid 24 to 26 wrote them: `complex` parts of type `json`, in versions 3, 4 and 5.

What tells them from today's form is the beginning of the column file; the files of documents, dictionaries and fields
are the same, but for version 3, which names fields by jq paths. A column whose documents are all plain values of one
type is a column of that type, as in Druid.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from attrs import frozen

from nemeton.model import ColumnType
from nemeton.segment.blobs import BlobColumn
from nemeton.segment.bytereader import ByteReader
from nemeton.segment.columns import ColumnContext, NumericColumn, StringColumn
from nemeton.segment.dictionary import StringDictionary, read_dictionary
from nemeton.segment.errors import corrupt
from nemeton.segment.generic_indexed import GenericIndexed
from nemeton.segment.metadata import BITMAPS, ORDERS
from nemeton.segment.object_columns import NestedColumn, read_document
from nemeton.segment.smoosh import SmooshReader
from nemeton.segment.value_types import NAMES

VERSIONS = (3, 4, 5)
_ROOTS = {3: b".", 4: b"$", 5: b"$"}
_KINDS = {"LONG": "i8", "DOUBLE": "f8"}


@frozen
class BlobSettings:
    """The JSON in front of columns whose values lie in files of their own."""

    base: str
    order: str
    is_concise: bool
    has_nulls: bool

    @classmethod
    def read(cls, reader: ByteReader) -> BlobSettings:
        """Read it with its length."""
        text = reader.str32("settings")
        try:
            value = json.loads(text)
            serde = (value.get("bitmapSerdeFactory") or {"type": "concise"})["type"]
            if serde not in BITMAPS:
                raise ValueError(f"bitmaps of type [{serde}]")
            order = ORDERS[value["byteOrder"]]
            return cls(str(value["fileNameBase"]), order, serde == "concise", bool(value.get("hasNulls")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
            raise corrupt(reader.part, f"settings of values cannot be read: {e}") from e


def read_old_documents(
    reader: ByteReader, smoosh: SmooshReader, context: ColumnContext
) -> NestedColumn | NumericColumn | StringColumn:
    """Read the headers of such a column; the reader stands at its version."""
    version = reader.u8()
    settings = BlobSettings.read(reader)
    fields = GenericIndexed.read(reader, smoosh)
    types = bytes(reader.take(len(fields)))
    documents = BlobColumn.read_from(smoosh, f"{settings.base}.__raw", settings.order)
    context.check_rows(len(documents), documents.part)
    name = _single_type(types, fields, _ROOTS[version])
    if name in _KINDS:
        nulls = _null_bitmap(smoosh, settings) if settings.has_nulls else None
        numbers = _DocumentNumbers(documents, np.dtype(_KINDS[name]))
        return NumericColumn(context, ColumnType.parse(name), numbers, nulls, settings.is_concise)
    if name == "STRING":
        part = f"{settings.base}.__stringDictionary"
        dictionary = read_dictionary(ByteReader(smoosh.file(part), part), smoosh, settings.order)
        return StringColumn(context, dictionary, _DocumentCodes(documents, dictionary), None, ColumnType.STRING)
    return NestedColumn(context, ColumnType.parse(name), documents, settings.has_nulls)


def _single_type(types: bytes, fields: GenericIndexed, root: bytes) -> str:
    """The type of all documents when they are plain values of one type; without any value they count as strings."""
    if not types:
        return "STRING"
    if len(types) == 1 and bytes(fields[0]) == root:
        return NAMES.get(types[0], "COMPLEX<json>")
    return "COMPLEX<json>"


def _null_bitmap(smoosh: SmooshReader, settings: BlobSettings) -> memoryview:
    part = f"{settings.base}.__nullIndex"
    reader = ByteReader(smoosh.file(part), part)
    return reader.take(reader.size("size of bitmap"))


@frozen
class _DocumentNumbers:
    """Numbers that are documents; 0 where there is none."""

    documents: BlobColumn
    dtype: np.dtype

    @property
    def total(self) -> int:
        return len(self.documents)

    def read(self, start: int, stop: int) -> np.ndarray:
        values = [read_document(blob, self.documents.part) for blob in self.documents.read(start, stop)]
        if not all(value is None or isinstance(value, (int, float)) for value in values):
            raise corrupt(self.documents.part, "a document is no number, though the column says that all are")
        return np.array([value or 0 for value in values], self.dtype)


@frozen(eq=False)
class _DocumentCodes:
    """Codes of strings that are documents: their places in the column's dictionary."""

    documents: BlobColumn
    dictionary: StringDictionary

    item_bytes = 4

    @property
    def total(self) -> int:
        return len(self.documents)

    def read(self, start: int, stop: int) -> np.ndarray:
        codes: dict[Any, int] = {value: code for code, value in enumerate(self.dictionary.to_list())}
        values = [read_document(blob, self.documents.part) for blob in self.documents.read(start, stop)]
        try:
            return np.array([codes[value] for value in values], np.uint32)
        except (KeyError, TypeError) as e:
            raise corrupt(self.documents.part, "a document is not in the dictionary") from e
