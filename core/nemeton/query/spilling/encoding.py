"""Tables of groups as bytes, for files that only this process reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import lz4.block
import msgspec
import numpy as np

from nemeton.model import ColumnType
from nemeton.query.engines.table import GroupTable
from nemeton.query.vectors import (
    AnyVector,
    Array,
    Dictionary,
    NumericVector,
    ObjectVector,
    StringVector,
    is_missing,
    null_vector,
    object_array,
)
from nemeton.spi.query import AggregatorFactory


def pack(table: GroupTable, aggregators: Sequence[AggregatorFactory]) -> bytes:
    """The table, compressed. States that are not arrays go as on the wire."""
    parts = (
        table.num_groups,
        _packed_array(table.times),
        [_packed_vector(vector) for vector in table.dimensions],
        [_packed_state(factory, state) for factory, state in zip(aggregators, table.states, strict=True)],
    )
    packed: bytes = lz4.block.compress(msgspec.msgpack.encode(parts))
    return packed


def unpack(data: bytes, aggregators: Sequence[AggregatorFactory]) -> GroupTable:
    """What `pack` was given."""
    count, times, vectors, states = msgspec.msgpack.decode(lz4.block.decompress(data))
    return GroupTable(
        count,
        _array(times),
        [_vector(packed) for packed in vectors],
        [_state(factory, packed) for factory, packed in zip(aggregators, states, strict=True)],
    )


def arrays_of(state: Any) -> list[Array] | None:
    """The arrays that a state consists of; None for states of another kind."""
    parts = [state]
    if attrs.has(type(state)):
        parts = [getattr(state, each.name) for each in attrs.fields(type(state))]
    plain = all(isinstance(part, np.ndarray) and part.dtype.kind in "biuf" for part in parts)
    return parts if plain else None


def _packed_array(array: Array) -> tuple[str, Sequence[int], bytes]:
    return array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes()


def _array(packed: Any) -> Array:
    dtype, shape, data = packed
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()


def _packed_vector(vector: AnyVector) -> tuple[Any, ...]:
    if isinstance(vector, NumericVector):
        nulls = None if vector.nulls is None else _packed_array(vector.nulls)
        return "numbers", str(vector.type), _packed_array(vector.values), nulls
    if is_missing(vector):
        return "missing", len(vector)
    if isinstance(vector, StringVector):
        used, codes = np.unique(vector.codes, return_inverse=True)
        values = vector.dictionary.lookup(used).tolist()
        return "strings", _packed_array(codes.astype(np.uint32)), _packed_strings(values)
    return "objects", str(vector.type), vector.to_list()


def _packed_strings(values: list[str | None]) -> tuple[bool, list[Any]]:
    """The strings; as bytes where one has halves of surrogate pairs, which UTF-8 cannot hold."""
    if any(value is not None and not value.isascii() for value in values):
        return True, [None if value is None else value.encode("utf-8", "surrogatepass") for value in values]
    return False, values


def _vector(packed: Any) -> AnyVector:
    kind = packed[0]
    if kind == "numbers":
        _, name, values, nulls = packed
        return NumericVector(ColumnType.parse(name), _array(values), None if nulls is None else _array(nulls))
    if kind == "missing":
        return null_vector(packed[1])
    if kind == "strings":
        are_bytes, values = packed[2]
        if are_bytes:
            values = [None if value is None else value.decode("utf-8", "surrogatepass") for value in values]
        return StringVector(_array(packed[1]), Dictionary(values, len(values)))
    return ObjectVector(ColumnType.parse(packed[1]), object_array(packed[2]))


def _packed_state(factory: AggregatorFactory, state: Any) -> tuple[bool, Any]:
    arrays = arrays_of(state)
    if arrays is None or type(factory.init(0)) is not type(state):
        return False, list(factory.to_wire(state))
    return True, [_packed_array(array) for array in arrays]


def _state(factory: AggregatorFactory, packed: Any) -> Any:
    are_arrays, parts = packed
    if not are_arrays:
        return factory.from_wire(parts)
    arrays = [_array(part) for part in parts]
    empty = factory.init(0)
    return arrays[0] if isinstance(empty, np.ndarray) else type(empty)(*arrays)
