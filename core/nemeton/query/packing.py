"""Columns and tables of groups as bytes: for temporary files, and between processes of nemeton.

Everything that is read is checked as far as its form goes, since it may come from another process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import lz4.block
import msgspec
import numpy as np

from nemeton.common.errors import DruidException, QueryException
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
    used_codes,
)
from nemeton.spi.query import AggregatorFactory

_PLAIN_KINDS = "biuf"
_SHAPES = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, MemoryError)


def pack(parts: Any) -> bytes:
    """Numbers, texts, and lists of them, compressed."""
    packed: bytes = lz4.block.compress(msgspec.msgpack.encode(parts))
    return packed


def unpack(data: bytes) -> Any:
    """What `pack` was given, lists for tuples. Raises `QueryException` for anything else."""
    with readable():
        return msgspec.msgpack.decode(lz4.block.decompress(data))


@contextmanager
def readable() -> Iterator[None]:
    """Raises `QueryException` for whatever damage there is in what is read within."""
    try:
        yield
    except QueryException:
        raise
    except (lz4.block.LZ4BlockError, msgspec.DecodeError, DruidException, *_SHAPES) as failure:
        raise QueryException(
            QueryException.UNKNOWN,
            f"A block of rows cannot be read ({failure}). Do all servers run the same version of nemeton?",
        ) from failure


def pack_table(table: GroupTable, aggregators: Sequence[AggregatorFactory]) -> bytes:
    """The table. States that are not arrays go as on the wire."""
    parts = (
        table.num_groups,
        _packed_array(table.times),
        [pack_vector(vector) for vector in table.dimensions],
        [_packed_state(factory, state) for factory, state in zip(aggregators, table.states, strict=True)],
    )
    return pack(parts)


def unpack_table(data: bytes, aggregators: Sequence[AggregatorFactory]) -> GroupTable:
    """What `pack_table` was given. Raises `QueryException` for what is none."""
    with readable():
        count, times, vectors, states = unpack(data)
        return GroupTable(
            count,
            _array(times, count),
            [unpack_vector(packed, count) for packed in vectors],
            [_state(factory, packed, count) for factory, packed in zip(aggregators, states, strict=True)],
        )


def arrays_of(state: Any) -> list[Array] | None:
    """The arrays that a state consists of; None for states of another kind."""
    parts = [state]
    if attrs.has(type(state)):
        parts = [getattr(state, each.name) for each in attrs.fields(type(state))]
    plain = all(isinstance(part, np.ndarray) and part.dtype.kind in _PLAIN_KINDS for part in parts)
    return parts if plain else None


def _packed_array(array: Array) -> tuple[str, Sequence[int], bytes]:
    return array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes()


def _array(packed: Any, count: int) -> Array:
    name, shape, data = packed
    dtype = np.dtype(name)
    if dtype.kind not in _PLAIN_KINDS or not shape or shape[0] != count:
        raise ValueError(f"an array of {name} in the form {shape} for {count} rows")
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()


def pack_vector(vector: AnyVector) -> tuple[Any, ...]:
    """A vector of numbers, of texts, or of what JSON has, for `pack`."""
    if isinstance(vector, NumericVector):
        nulls = None if vector.nulls is None else _packed_array(vector.nulls)
        return "numbers", str(vector.type), _packed_array(vector.values), nulls
    if is_missing(vector):
        return "missing", len(vector)
    if isinstance(vector, StringVector):
        used, codes = used_codes(vector)
        values = vector.dictionary.lookup(used).tolist()
        return "strings", _packed_array(codes.astype(np.uint32)), _packed_strings(values)
    return "objects", str(vector.type), vector.to_list()


def _packed_strings(values: list[str | None]) -> tuple[bool, list[Any]]:
    """The strings; as bytes where one has halves of surrogate pairs, which UTF-8 cannot hold."""
    if any(value is not None and not value.isascii() for value in values):
        return True, [None if value is None else value.encode("utf-8", "surrogatepass") for value in values]
    return False, values


def unpack_vector(packed: Any, count: int) -> AnyVector:
    """What `pack_vector` was given; to be called within `readable`."""
    kind = packed[0]
    if kind == "numbers":
        _, name, values, nulls = packed
        return NumericVector(
            ColumnType.parse(name), _array(values, count), None if nulls is None else _array(nulls, count)
        )
    if kind == "missing":
        return null_vector(count)
    if kind == "strings":
        are_bytes, values = packed[2]
        if are_bytes:
            values = [None if value is None else value.decode("utf-8", "surrogatepass") for value in values]
        codes = _array(packed[1], count)
        if codes.dtype.kind != "u" or (count and int(codes.max()) >= len(values)):
            raise ValueError("a text that is not there")
        return StringVector(codes, Dictionary(values, len(values)))
    if len(packed[2]) != count:
        raise ValueError(f"{len(packed[2])} values for {count} rows")
    return ObjectVector(ColumnType.parse(packed[1]), object_array(packed[2]))


def _packed_state(factory: AggregatorFactory, state: Any) -> tuple[bool, Any]:
    arrays = arrays_of(state)
    if arrays is None or type(factory.init(0)) is not type(state):
        return False, list(factory.to_wire(state))
    return True, [_packed_array(array) for array in arrays]


def _state(factory: AggregatorFactory, packed: Any, count: int) -> Any:
    are_arrays, parts = packed
    if not are_arrays:
        if len(parts) != count:
            raise ValueError(f"{len(parts)} values of [{factory.name}] for {count} rows")
        return factory.from_wire(parts)
    arrays = [_array(part, count) for part in parts]
    empty = factory.init(0)
    return arrays[0] if isinstance(empty, np.ndarray) else type(empty)(*arrays)
