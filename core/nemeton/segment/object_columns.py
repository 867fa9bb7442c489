"""Columns whose values are Python objects to engines: arrays, mixed types, documents, complex values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from attrs import define

from nemeton.json import smile
from nemeton.model import ColumnType
from nemeton.segment.blobs import BlobColumn
from nemeton.segment.codes import CompressedInts
from nemeton.segment.columns import StoredColumn, frozen_array
from nemeton.segment.errors import corrupt
from nemeton.segment.generic_indexed import GenericIndexed
from nemeton.segment.global_dictionary import GlobalDictionary

BYTES_PER_VALUE = 100
"""What a decoded object is taken to need in the cache."""


@define(eq=False)
class ObjectColumn(StoredColumn, ABC):
    """A column with one object per row, None for null."""

    type: ColumnType

    has_multiple_values = False
    is_dictionary_encoded = False

    @property
    @abstractmethod
    def has_nulls(self) -> bool:
        """Whether any row may be null."""

    def objects(self, start: int, stop: int) -> np.ndarray:
        """Return the values of a row range as an object array. They are shared: do not change them."""
        self.context.check_range(start, stop)
        return self._read(start, stop)

    @abstractmethod
    def _read(self, start: int, stop: int) -> np.ndarray: ...


@define(eq=False)
class ArrayColumn(ObjectColumn):
    """Arrays, or values of several types: ids into a dictionary of whatever values there are."""

    dictionary: GlobalDictionary
    ids: CompressedInts
    has_nulls: bool
    is_variant: bool
    is_cast: bool = False

    is_auto = True

    def _read(self, start: int, stop: int) -> np.ndarray:
        values: np.ndarray = self.context.cached("values", self._load_values)
        ids = self.ids.read(start, stop)
        if len(ids) and int(ids.max()) >= len(values):
            raise corrupt(f"{self.name}.__encodedColumn", f"id {ids.max()} in a dictionary of {len(values)}")
        found: np.ndarray = values[ids]
        return found

    def _load_values(self) -> tuple[np.ndarray, int]:
        values = self.dictionary.values()
        return frozen_array(object_array(values)), BYTES_PER_VALUE * len(values)


@define(eq=False)
class NestedColumn(ObjectColumn):
    """Documents (``COMPLEX<json>``): plain data as JSON has it."""

    documents: BlobColumn
    has_nulls: bool

    is_auto = True

    def _read(self, start: int, stop: int) -> np.ndarray:
        return object_array([read_document(blob, self.documents.part) for blob in self.documents.read(start, stop)])


@define(eq=False)
class ComplexColumn(ObjectColumn):
    """Complex values as the bytes that their type writes; an aggregator of that type reads them."""

    blobs: GenericIndexed | BlobColumn
    has_nulls: bool

    def _read(self, start: int, stop: int) -> np.ndarray:
        if isinstance(self.blobs, BlobColumn):
            return object_array(self.blobs.read(start, stop))
        found = [self.blobs.get(row) for row in range(start, stop)]
        return object_array([None if blob is None else bytes(blob) for blob in found])


def read_document(blob: bytes, part: str) -> Any:
    """A document from its Smile; no bytes are none."""
    if not blob:
        return None
    try:
        return smile.loads(blob)
    except smile.SmileError as e:
        raise corrupt(part, f"a document cannot be read: {e}") from e


def object_array(values: list[Any]) -> np.ndarray:
    """An array that holds lists as they are, where numpy itself would make them a dimension."""
    array = np.empty(len(values), object)
    for row, value in enumerate(values):
        array[row] = value
    return array
