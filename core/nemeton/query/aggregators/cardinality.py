"""The cardinality aggregator: how many distinct values, approximately, by Druid's HyperLogLog."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.common.errors import DruidException, unsupported
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.aggregators import hll
from nemeton.query.dimensions import numbers_as_strings
from nemeton.query.vectors import (
    Array,
    Dictionary,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    encode_strings,
    is_none,
    java_key,
    object_array,
)
from nemeton.segment.errors import naming_part
from nemeton.spi.query import AggregatorFactory, DimensionSpec

if TYPE_CHECKING:
    from nemeton.query.vectors import AnyVector
    from nemeton.spi.query import Block

_NULL = "\u0000"


def _chars(value: str) -> bytes:
    return value.encode("utf-16-le", "surrogatepass")


class RegistersAggregator(AggregatorFactory):
    """What aggregators of Druid's HyperLogLog share. The state is a matrix of registers, 2 KiB a group."""

    round: bool

    @property
    def intermediate_type(self) -> ColumnType:
        """Druid's hyperUnique."""
        return ColumnType.complex("hyperUnique")

    @property
    def result_type(self) -> ColumnType:
        """LONG when rounded, else DOUBLE."""
        return ColumnType.LONG if self.round else ColumnType.DOUBLE

    def init(self, num_groups: int) -> Array:
        """Zeros."""
        return np.zeros((num_groups, hll.BUCKETS), dtype=np.uint8)

    def resize(self, state: Array, num_groups: int) -> Array:
        """Zeros added."""
        out = self.init(num_groups)
        out[: len(state)] = state
        return out

    def _add(self, state: Array, group_ids: Array, buckets: Array, positions: Array) -> None:
        np.maximum.at(state.reshape(-1), group_ids * hll.BUCKETS + buckets, positions)

    def _add_strings(
        self, state: Array, block: Block, group_ids: Array, vector: StringVector, encode: Callable[[str], bytes]
    ) -> None:
        dictionary = vector.dictionary

        def make() -> Any:
            values = dictionary.values
            hashes = hll.hash_bytes([encode(value) if value is not None else b"" for value in values.tolist()])
            return (*hashes, ~is_none(values), dictionary)

        buckets, positions, real, _ = block.cached(("hll", encode, id(dictionary)), make)
        keep = real[vector.codes]
        codes = vector.codes[keep]
        self._add(state, group_ids[keep], buckets[codes], positions[codes])

    def merge(self, state: Array, other: Array, group_ids: Array) -> None:
        """The greater registers."""
        np.maximum.at(state, group_ids, other)

    def take(self, state: Array, groups: Array) -> Array:
        """These groups."""
        return state[groups]

    def finalise(self, state: Array) -> NumericVector:
        """The estimates."""
        found = hll.estimate(state)
        if self.round:
            return NumericVector(ColumnType.LONG, np.floor(found + 0.5).astype(np.int64))
        return NumericVector(ColumnType.DOUBLE, found)

    def combining_factory(self) -> AggregatorFactory:
        """The one that merges what this one makes."""
        return HyperUniqueAggregatorFactory(self.name, self.name, round=self.round)

    def intermediate(self, state: Array) -> ObjectVector:
        """As `to_wire`."""
        return ObjectVector(self.intermediate_type, object_array(self.to_wire(state)))

    def to_wire(self, state: Array) -> list[Any]:
        """Druid's bytes in base64."""
        return [base64.b64encode(hll.to_bytes(registers)).decode() for registers in state]

    def to_stored(self, state: Array) -> ObjectVector:
        """Druid's bytes."""
        return ObjectVector(self.intermediate_type, object_array([hll.to_bytes(registers) for registers in state]))

    def text(self, stored: Any) -> str | None:
        """As Java prints a collector: the numbers in its head, big-endian."""
        version, offset, non_zero, overflow, register = struct.unpack_from(">BBhBh", stored)
        return (
            f"HyperLogLogCollector{{initPosition=0, version={version}, registerOffset={offset}, "
            f"numNonZeroRegisters={non_zero}, maxOverflowValue={overflow}, maxOverflowRegister={register}}}"
        )

    def from_wire(self, values: Sequence[Any]) -> Array:
        """Read Druid's bytes."""
        return np.stack([hll.decode(value) for value in values]) if values else self.init(0)


@json_type("cardinality")
@frozen
class CardinalityAggregatorFactory(RegistersAggregator):
    """Distinct values of the fields, all in one pot, or (`byRow`) distinct combinations.

    Nulls do not count by value.
    """

    name: str
    fields: tuple[DimensionSpec, ...]
    by_row: bool = False
    round: bool = False

    def required_columns(self) -> frozenset[str]:
        """The fields."""
        return frozenset(spec.dimension for spec in self.fields)

    def aggregate(self, state: Array, block: Block, group_ids: Array) -> None:
        """Hash each distinct value once per segment."""
        vectors: list[Any] = [spec.selected(block) for spec in self.fields]
        if self.by_row:
            self._add(state, group_ids, *hll.hash_bytes(row_bytes(vectors)))
            return
        for vector in vectors:
            if isinstance(vector, MultiStringVector):
                rows, single = vector.explode()
                self._add_strings(state, block, group_ids[rows], single, _chars)
            elif isinstance(vector, StringVector):
                self._add_strings(state, block, group_ids, vector, _chars)
            elif isinstance(vector, NumericVector):
                self._add_numbers(state, group_ids, vector)
            elif vector.type.is_complex and all(isinstance(v, (bytes, str, tuple)) for v in vector.to_list()):
                codes, distinct = encode_strings(repr(value) for value in vector.to_list())
                self._add_strings(
                    state, block, group_ids, StringVector(codes, Dictionary(distinct, len(distinct))), _chars
                )
            else:
                raise unsupported(f"cardinality of a column of type [{vector.type}] is not supported yet")

    def _add_numbers(self, state: Array, group_ids: Array, vector: NumericVector) -> None:
        values = vector.values
        if vector.nulls is not None:
            values, group_ids = values[~vector.nulls], group_ids[~vector.nulls]
        if values.dtype == np.float32:
            self._add(state, group_ids, *hll.hash_bytes([value.tobytes() for value in values.astype("<f4")]))
        else:
            self._add(state, group_ids, *hll.hash_longs(values if values.dtype == np.int64 else values.view(np.int64)))


@json_type("hyperUnique")
@frozen
class HyperUniqueAggregatorFactory(RegistersAggregator):
    """Merges the collectors of a column that was ingested with `hyperUnique`. Any other column counts for nothing."""

    name: str
    field_name: str
    is_input_hyper_unique: bool = False
    round: bool = False

    def required_columns(self) -> frozenset[str]:
        """The column of collectors."""
        return frozenset([self.field_name])

    def aggregate(self, state: Array, block: Block, group_ids: Array) -> None:
        """The greater registers."""
        vector = block.vector(self.field_name)
        if isinstance(vector, ObjectVector) and vector.type == ColumnType.complex("hyperUnique"):
            with naming_part(f"{self.field_name}: collectors", DruidException):
                hll.merge_bytes(state, group_ids, vector.values)

    def aggregate_input(self, state: Array, block: Block, group_ids: Array) -> None:
        """Hash the values as strings, or read the collectors that they are in base64."""
        vector: Any = block.vector(self.field_name)
        if isinstance(vector, NumericVector):
            vector = numbers_as_strings(vector)
        if isinstance(vector, MultiStringVector):
            rows, vector = vector.explode()
            group_ids = group_ids[rows]
        if not isinstance(vector, StringVector):
            self.aggregate(state, block, group_ids)
        elif self.is_input_hyper_unique:
            texts = vector.dictionary.values.tolist()
            blobs = object_array([hll.decode_bytes(text) for text in texts])
            hll.merge_bytes(state, group_ids, blobs[vector.codes])
        else:
            self._add_strings(state, block, group_ids, vector, str.encode)


def row_bytes(vectors: Sequence[AnyVector]) -> list[bytes]:
    """The bytes of each row: the values' own, a zero between the fields, and a 1 between the values of one."""
    columns = [_field_bytes(vector) for vector in vectors]
    return [b"\x00".join(parts) for parts in zip(*columns, strict=True)]


def _field_bytes(vector: AnyVector) -> list[bytes]:
    if isinstance(vector, NumericVector):
        raw = vector.values.astype("<f4" if vector.values.dtype == np.float32 else vector.values.dtype)
        nulls = vector.nulls if vector.nulls is not None else np.zeros(len(vector), dtype=bool)
        return [b"" if null else value.tobytes() for value, null in zip(raw, nulls, strict=True)]
    return [_row_bytes(value) for value in vector.to_list()]


def _row_bytes(value: Any) -> bytes:
    """Nothing for null, or for several of it."""
    if not isinstance(value, list):
        return b"" if value is None else _chars(str(value))
    if all(item is None for item in value):
        return b""
    return _chars("\u0001".join(sorted((_NULL if item is None else str(item) for item in value), key=java_key)))
