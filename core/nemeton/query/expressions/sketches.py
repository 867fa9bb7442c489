"""Functions of HyperLogLog collectors (as Druid's bytes), and of complex values in base64."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from nemeton.query.aggregators import hll
from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.failures import PROCESSING, WRITING, failed, misused
from nemeton.query.expressions.vec import Vec, constant, map_values, of_objects
from nemeton.query.vectors import Array, object_array

HYPER_UNIQUE = "COMPLEX<hyperUnique>"
_BYTES = ("hyperUnique", "HLLSketch", "HLLSketchBuild", "thetaSketch", "quantilesDoublesSketch", "arrayOfDoublesSketch",
          "KllDoublesSketch", "KllFloatsSketch")  # fmt: skip
"""Complex types whose values are their bytes, here as in segments."""
_EMPTY = hll.to_bytes(np.zeros(hll.BUCKETS, dtype=np.uint8))


@register("hyper_unique", 0)
def hyper_unique(args: list[Vec], count: int) -> Vec:
    """An empty collector."""
    return constant(_EMPTY, HYPER_UNIQUE)


def _registers(name: str, vec: Vec, which: str, count: int) -> Array:
    """The registers of each row's collector, read from its bytes."""
    values = vec.values.tolist() if not vec.is_numeric else [None]
    if vec.type != HYPER_UNIQUE or any(not isinstance(value, bytes) for value in values):
        raise failed(f"Function[{name}] requires a hyper-log-log collector as {which} argument", PROCESSING)
    decoded = np.stack([hll.decode(value) for value in values]) if values else np.zeros((0, hll.BUCKETS), np.uint8)
    return np.repeat(decoded, count, axis=0) if len(values) == 1 and count != 1 else decoded


@register("hyper_unique_add", 2)
def hyper_unique_add(args: list[Vec], count: int) -> Vec:
    """The collector (second) with a value or another collector taken in; of each row on its own."""
    value, registers = args[0], _registers("hyper_unique_add", args[1], "the second", count)
    if value.type == HYPER_UNIQUE:
        registers = np.maximum(registers, _registers("hyper_unique_add", value, "the second", count))
    elif value.type is not None:
        rows, (buckets, positions) = _hashes(value, count)
        registers[rows, buckets] = np.maximum(registers[rows, buckets], positions)
    return Vec(HYPER_UNIQUE, object_array([hll.to_bytes(row) for row in registers]))


def _hashes(value: Vec, count: int) -> tuple[Array, tuple[Array, Array]]:
    """The rows that have a value, with its bucket and position."""
    present = np.broadcast_to(~value.null_mask(), (count,))
    rows = np.flatnonzero(present)
    if value.type == "STRING":
        texts = value.values.tolist() * (count if value.is_constant else 1)
        return rows, hll.hash_bytes([texts[row].encode("utf-16-le", "surrogatepass") for row in rows.tolist()])
    if not value.is_numeric:
        raise failed(f"Function[hyper_unique_add] cannot add [{value.type}] to hyper-log-log collector", PROCESSING)
    return rows, hll.hash_longs(np.broadcast_to(value.values.view(np.int64), (count,))[rows])


@register("hyper_unique_estimate", 1)
def hyper_unique_estimate(args: list[Vec], count: int) -> Vec:
    """How many distinct values a collector has seen, about."""
    return Vec("DOUBLE", hll.estimate(_registers("hyper_unique_estimate", args[0], "input", count)))


@register("hyper_unique_round_estimate", 1)
def hyper_unique_round_estimate(args: list[Vec], count: int) -> Vec:
    """As `hyper_unique_estimate`, as a whole number."""
    found = hll.estimate(_registers("hyper_unique_round_estimate", args[0], "input", count))
    return Vec("LONG", np.floor(found + 0.5).astype(np.int64))


@register("complex_decode_base64", 2, 2, "decode_base64_complex")
def complex_decode_base64(args: list[Vec], count: int) -> Vec:
    """A complex value of its serialised form; the name of its type must be a constant."""
    name = args[0].constant() if args[0].is_constant else None
    if not isinstance(name, str):
        raise misused("complex_decode_base64", "first argument must be constant STRING expression")
    if name not in _BYTES:
        raise misused(
            "complex_decode_base64", f"first argument must be a valid complex type name, unknown complex type [{name}]"
        )
    if args[1].type is None:
        return constant(None, None)
    if args[1].type != "STRING":
        raise failed(f"Function[complex_decode_base64] second argument must be a base64 encoded STRING value but got "
                     f"{args[1].type} instead", PROCESSING)  # fmt: skip
    return map_values(args[1:], count, f"COMPLEX<{name}>", lambda text: _decoded(name, text))


def _decoded(name: str, text: str | None) -> Any:
    if text is None:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise failed(f"Illegal base64: {error}", "java.lang.IllegalArgumentException") from None
    if not data:  # which is read, but cannot be written
        raise failed("Unexpected end-of-input", WRITING)
    if name == "hyperUnique":
        hll.from_bytes(data)
    return data


@register("array_quantile", 2)
def array_quantile(args: list[Vec], count: int) -> Vec:
    """A quantile of an array's numbers (null ones left out), interpolated; NaN of none, or for a rank beyond 0 to 1."""
    if not args[1].is_constant or args[1].type not in ("LONG", "DOUBLE"):
        raise misused("array_quantile", "second argument (rank) must be a constant number")
    rank = float(args[1].values[0])
    if args[0].type is None:
        return constant(None, None)
    if not args[0].is_array or args[0].type not in ("ARRAY<LONG>", "ARRAY<DOUBLE>"):
        return constant(None, "DOUBLE")

    def one(items: list[Any] | None) -> float | None:
        if items is None:
            return None
        present = np.sort(np.array([item for item in items if item is not None], dtype=np.float64))
        if not len(present) or not 0 <= rank <= 1:
            return float("nan")
        place = rank * (len(present) - 1)
        low = int(place)
        high = min(low + 1, len(present) - 1)
        return float(present[low] + (present[high] - present[low]) * (place - low))

    return of_objects([one(items) for items in args[0].values.tolist()], "DOUBLE")
