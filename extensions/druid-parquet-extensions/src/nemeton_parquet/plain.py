"""Arrow's columns of a Parquet file to columns of longs, doubles, booleans, texts, and lists and structs of these."""

from __future__ import annotations

import base64
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_MILLIS_OF_DAY = 86_400_000


def plain(array: pa.Array, binary_as_string: bool) -> pa.Array:
    """The array with instants as milliseconds, decimals as doubles, bytes as texts; maps as lists of pairs."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return plain(array.dictionary_decode(), binary_as_string)
    if pa.types.is_struct(kind):
        children = [plain(child, binary_as_string) for child in array.flatten()]
        names = [kind.field(i).name for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(children, names, mask=array.is_null()) if names else array
    if pa.types.is_map(kind):
        entries = [plain(array.keys, binary_as_string), plain(array.items, binary_as_string)]
        pairs = pa.StructArray.from_arrays(entries, ["key", "value"])
        return pa.ListArray.from_arrays(array.offsets, pairs, mask=array.is_null())
    if pa.types.is_fixed_size_list(kind):
        return plain(array.cast(pa.list_(kind.value_type)), binary_as_string)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        items = plain(array.values, binary_as_string)
        maker = pa.ListArray if pa.types.is_list(kind) else pa.LargeListArray
        return maker.from_arrays(array.offsets, items, mask=array.is_null())
    return _scalars(array, binary_as_string)


def _scalars(array: pa.Array, binary_as_string: bool) -> pa.Array:
    kind = array.type
    if pa.types.is_timestamp(kind):
        wanted = array if kind.unit in ("ms", "ns") else array.cast(pa.timestamp("ms"), safe=False)
        return wanted.cast(pa.int64())
    if pa.types.is_date32(kind):
        return pc.multiply(array.cast(pa.int32()).cast(pa.int64()), _MILLIS_OF_DAY)
    if pa.types.is_time32(kind):
        return array.cast(pa.int32()).cast(pa.int64())
    if pa.types.is_date64(kind) or pa.types.is_time64(kind) or pa.types.is_duration(kind):
        return array.cast(pa.int64())
    if pa.types.is_integer(kind):
        return array.cast(pa.int64(), safe=False)
    if pa.types.is_decimal(kind):
        return array.cast(pa.float64())
    if pa.types.is_float16(kind):
        return array.cast(pa.float32())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _texts(array, binary_as_string)
    return array


def _texts(array: pa.Array, binary_as_string: bool) -> pa.Array:
    """Bytes as texts, each distinct one once."""
    encoded = array.cast(pa.large_binary()).dictionary_encode()
    values = encoded.dictionary.to_pylist()
    texts = [v.decode("utf-8", "replace") if binary_as_string else base64.b64encode(v).decode() for v in values]
    return pa.array(texts, pa.large_string()).take(encoded.indices)


def is_nested(kind: pa.DataType) -> bool:
    """Whether values are documents: groups, maps, and lists of these or of lists."""
    if pa.types.is_struct(kind) or pa.types.is_map(kind):
        return True
    return is_list(kind) and (is_list(kind.value_type) or is_nested(kind.value_type))


def is_list(kind: pa.DataType) -> bool:
    """Whether values are lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def documents(array: pa.Array, binary_as_string: bool) -> list[Any]:
    """The values in Python's form of JSON."""
    kind = array.type
    return [_document(value, kind) for value in plain(array, binary_as_string).to_pylist()]


def _document(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: _document(value[field.name], field.type) for field in kind}
    if pa.types.is_map(kind):
        return {str(entry["key"]): _document(entry["value"], kind.item_type) for entry in value}
    if is_list(kind):
        return [_document(item, kind.value_type) for item in value]
    return value


def decimal_texts(array: pa.Array, is_stored_as_number: bool) -> pa.Array:
    """Decimals for a string dimension: short ones that are stored as bytes are doubles to Druid."""
    if not is_stored_as_number and array.type.precision <= 18:
        return array.cast(pa.float64())
    return array.cast(pa.string())
