"""The summaries of sketches as the Java library prints them."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.query.numbers import format_double, format_float
from nemeton_datasketches.hashing import SEED_HASH
from nemeton_datasketches.hll import library_sketch
from nemeton_datasketches.hll_array import TYPES
from nemeton_datasketches.kll_check import capacity
from nemeton_datasketches.theta import MAX_THETA, ThetaSketch

if TYPE_CHECKING:
    from nemeton_datasketches.quantiles import QuantilesKind
    from nemeton_datasketches.tuples import TupleSketch

_END = "### END SKETCH SUMMARY"


def summary(title: str, rows: list[tuple[str, Any]], width: int, end: str = _END) -> str:
    """A title, and lines of names and values."""
    lines = [f"   {name:<{width}}: {java(value)}" for name, value in rows]
    return "\n".join([title, *lines, end, ""])


def java(value: Any) -> str:
    """A value in Java's notation."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, np.float32):
        return format_float(value)
    return format_double(value) if isinstance(value, float) else str(value)


def _sampling_rows(theta: int, count: int, is_empty: bool, estimate: float, bounds: tuple[float, float]) -> list[Any]:
    return [
        ("Estimate", estimate),
        ("Upper Bound, 95% conf", float(bounds[1])),
        ("Lower Bound, 95% conf", float(bounds[0])),
        ("Theta (double)", theta / float(MAX_THETA)),
        ("Theta (long)", theta),
        ("Theta (long) hex", f"{theta:016x}"),
        ("EstMode?", theta < MAX_THETA and not is_empty),
        ("Empty?", is_empty),
        ("Ordered?", True),
        ("Retained Entries", count),
        ("Seed Hash", f"{SEED_HASH:x} | {SEED_HASH}"),
    ]


def array_hash_code(data: bytes) -> int:
    """Java's ``Arrays.hashCode`` of bytes, as an unsigned number."""
    code = 1
    for byte in data:
        code = (31 * code + byte - (256 if byte > 127 else 0)) & 0xFFFFFFFF
    return code


def theta_text(blob: bytes) -> str:
    """The summary of a compact theta sketch."""
    sketch = ThetaSketch.read(blob)
    library = sketch.library()
    bounds = (library.get_lower_bound(2), library.get_upper_bound(2))
    rows = _sampling_rows(sketch.theta, len(sketch.hashes), sketch.is_empty, sketch.estimate, bounds)
    name = "HeapCompactSketch"
    if sketch.is_empty:
        name, rows[-1] = "EmptyCompactSketch", ("Seed Hash", "0 | 0")
    elif len(sketch.hashes) == 1 and sketch.theta == MAX_THETA:
        name = "SingleItemSketch"
    return summary(f"\n### {name} SUMMARY: ", rows, 24)


def tuple_text(sketch: TupleSketch, place: str = "Heap") -> str:
    """The summary of a compact tuple sketch; Java says also whether it lies on the heap or (Direct) elsewhere."""
    rows = _sampling_rows(sketch.theta, len(sketch.hashes), sketch.is_empty, sketch.estimate, sketch.bounds(2))
    rows = [row for row in rows if row[0] not in ("Theta (long) hex", "Ordered?")]
    return summary(f"### {place}ArrayOfDoublesCompactSketch SUMMARY: ", rows, 24)


_MODES, _TYPES = ("LIST", "SET", "HLL"), tuple(TYPES)


def hll_text(blob: bytes) -> str:
    """The summary of an HLL sketch."""
    sketch = library_sketch(blob)
    mode = blob[7] & 3
    rows: list[tuple[str, Any]] = [
        ("Log Config K", blob[3]),
        ("Hll Target", _TYPES[blob[7] >> 2 & 3]),
        ("Current Mode", _MODES[mode]),
        ("Memory", False),
        ("LB", sketch.get_lower_bound(1)),
        ("Estimate", sketch.get_estimate()),
        ("UB", sketch.get_upper_bound(1)),
        ("OutOfOrder Flag", bool(blob[5] & 16)),
    ]
    if mode == 2:
        hip, small, large, at_least, _ = struct.unpack_from("<3dII", blob, 8)
        rows += [("CurMin", blob[6]), ("NumAtCurMin", at_least), ("HipAccum", hip), ("KxQ0", small), ("KxQ1", large)]
        rows.append(("Rebuild KxQ Flg", bool(blob[5] & 32)))
    else:
        rows.append(("Coupon Count", blob[6] if mode == 0 else int.from_bytes(blob[8:12], "little")))
    lines = [f"  {name:<15}: {java(value)}" for name, value in rows]
    return "\n".join(["### HLL SKETCH SUMMARY: ", *lines, ""])


def quantiles_text(kind: QuantilesKind, sketch: Any, place: str = "") -> str:
    """The summary of a quantiles sketch of any kind; of KLL, Java says also where it lies (DirectCompact)."""
    return _classic_text(sketch) if kind.name == "quantilesDoublesSketch" else _kll_text(kind, sketch, place)


def _classic_text(sketch: Any) -> str:
    k, count = sketch.k, sketch.n
    pattern = count // (2 * k)
    levels = pattern.bit_length()
    empty = sketch.is_empty()
    compact = 8 if empty else 32 + 8 * sketch.num_retained
    buffer = count % (2 * k)
    room = k * (2 + levels) if levels else min(2 * k, max(4, 1 << max(buffer - 1, 0).bit_length()))
    rows = [
        ("Empty", empty),
        ("Memory, Capacity bytes", "false, " if empty else f"true, {compact}"),
        ("Estimation Mode", count >= 2 * k),
        ("K", k),
        ("N", f"{count:,}"),
        ("Levels (Needed, Total, Valid)", f"{levels}, {levels}, {pattern.bit_count()}"),
        ("Level Bit Pattern", f"{pattern:b}"),
        ("BaseBufferCount", buffer),
        ("Combined Buffer Capacity", f"{room if empty else sketch.num_retained:,}"),
        ("Retained Items", f"{sketch.num_retained:,}"),
        ("Compact Storage Bytes", f"{compact:,}"),
        ("Updatable Storage Bytes", f"{8 if empty else 32 + 8 * room:,}"),
        ("Normalized Rank Error", f"{100 * sketch.get_normalized_rank_error(k, False):.3f}%"),
        ("Normalized Rank Error (PMF)", f"{100 * sketch.get_normalized_rank_error(k, True):.3f}%"),
        ("Min Item", f"{math.nan if empty else sketch.get_min_value():12.6e}".replace("nan", "NaN")),
        ("Max Item", f"{math.nan if empty else sketch.get_max_value():12.6e}".replace("nan", "NaN")),
    ]
    kind = "HeapUpdate" if empty else "DirectCompact"  # what Druid has of a sketch that saw nothing, and of others
    return summary(f"\n### Quantiles {kind}DoublesSketch SUMMARY: ", rows, 29)


def _kll_text(kind: QuantilesKind, sketch: Any, place: str) -> str:
    blob, count, kept = kind.write(sketch), sketch.n, sketch.num_retained
    k, m = int.from_bytes(blob[4:6], "little"), blob[6]
    levels = blob[18] if count > 1 else 1
    room = capacity(k, m, levels)
    size = kind.dtype().itemsize
    least, most = (sketch.get_min_value(), sketch.get_max_value()) if count else (math.nan, math.nan)
    rows = [
        ("K", k),
        ("Dynamic min K", int.from_bytes(blob[16:18], "little") if count > 1 else k),
        ("M", m),
        ("N", count),
        ("Epsilon", f"{100 * sketch.get_normalized_rank_error(k, False):.3f}%"),
        ("Epsilon PMF", f"{100 * sketch.get_normalized_rank_error(k, True):.3f}%"),
        ("Empty", not count),
        ("Estimation Mode", sketch.is_estimation_mode()),
        ("Levels", levels),
        ("Level 0 Sorted", bool(blob[3] & 2)),
        ("Capacity Items", room),
        ("Retained Items", kept),
        ("Empty/Garbage Items", room - kept),
        ("ReadOnly", "true(Format)" if place else False),
        ("Updatable Storage Bytes", 20 + 4 * (levels + 1) + size * (2 + room)),
        ("Compact Storage Bytes", len(blob)),
        ("Min Item", kind.dtype(least) if size == 4 else least),
        ("Max Item", kind.dtype(most) if size == 4 else most),
    ]
    return summary(f"\n### {kind.name.replace('Kll', f'Kll{place}')} Summary:", rows, 23, "### End sketch summary")
