"""The dense form of a HyperLogLog sketch: registers, and the estimator that follows them (HIP)."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define

from nemeton_datasketches.base import corrupt
from nemeton_datasketches.hll_table import lg_table_size

if TYPE_CHECKING:
    from nemeton.query.vectors import Array

HLL_4, HLL_6, HLL_8 = 0, 1, 2
TYPES = {"HLL_4": HLL_4, "HLL_6": HLL_6, "HLL_8": HLL_8}
_HEAD = struct.Struct("<8B3dII")
_COMPACT, _OUT_OF_ORDER = 8, 16
_DENSE_MODE = 2
_SLOT_BITS = 26
_VALUES = np.exp2(-np.arange(64, dtype=np.float64))
_SMALL, _LARGE = _VALUES * (np.arange(64) < 32), _VALUES * (np.arange(64) >= 32)
"""Java sums the inverse powers of small and of large registers apart."""


@define
class HllArray:
    """Registers of one sketch. `hip` means something only while no two dense sketches were merged in it."""

    lg_k: int
    registers: Array
    hip: float = 0.0
    out_of_order: bool = False

    @classmethod
    def empty(cls, lg_k: int) -> HllArray:
        """All registers zero."""
        return cls(lg_k, np.zeros(1 << lg_k, dtype=np.uint8))

    def copy(self) -> HllArray:
        """Registers of its own."""
        return HllArray(self.lg_k, self.registers.copy(), self.hip, self.out_of_order)

    def add(self, coupons: Array, follow: bool = True) -> None:
        """Take in coupons in order of arrival; without `follow` the estimator stays."""
        sums = self.sums()
        slots = coupons & ((1 << self.lg_k) - 1)
        _, before, after = raise_registers(self.registers, slots, (coupons >> _SLOT_BITS) & 63)
        if follow and not self.out_of_order and len(before):
            self._follow(sums, before, after)

    def _follow(self, sums: tuple[float, float], before: Array, after: Array) -> None:
        """Each change adds the inverse of the chance that it had."""
        small, large = sums
        smalls = np.cumsum(np.concatenate([[small], _SMALL[after] - _SMALL[before]]))[:-1]
        larges = np.cumsum(np.concatenate([[large], _LARGE[after] - _LARGE[before]]))[:-1]
        steps = (1 << self.lg_k) / (smalls + larges)
        self.hip = float(np.cumsum(np.concatenate([[self.hip], steps]))[-1])

    def sums(self) -> tuple[float, float]:
        """The sums of the inverse powers of two of the registers below 32 and of the others."""
        counts = np.bincount(self.registers, minlength=64)
        return float(counts @ _SMALL), float(counts @ _LARGE)

    def shrink(self, lg_k: int) -> None:
        """Fold to fewer registers."""
        if lg_k < self.lg_k:
            self.registers = self.registers.reshape(-1, 1 << lg_k).max(axis=0)
            self.lg_k, self.out_of_order, self.hip = lg_k, True, 0.0

    def merge(self, other: HllArray) -> None:
        """The greater registers, of as many as the smaller of the two has."""
        self.shrink(other.lg_k)
        registers = other.registers
        if other.lg_k > self.lg_k:
            registers = registers.reshape(-1, 1 << self.lg_k).max(axis=0)
        np.maximum(self.registers, registers, out=self.registers)
        self.out_of_order, self.hip = True, 0.0

    def image(self) -> bytes:
        """The bytes of an HLL_8 sketch."""
        flags = _OUT_OF_ORDER if self.out_of_order else 0
        small, large = self.sums()
        zeros = int((self.registers == 0).sum())
        mode = _DENSE_MODE | HLL_8 << 2
        head = _HEAD.pack(10, 1, 7, self.lg_k, 0, flags, 0, mode, self.hip, small, large, zeros, 0)
        return head + self.registers.tobytes()

    def to_bytes(self, target: int) -> bytes:
        """The bytes of a sketch of that type; the library packs the registers of the smaller types."""
        return self.image() if target == HLL_8 else converted(self.image(), self.lg_k, target)


def step_sums() -> tuple[Array, Array]:
    """For each value of a register what it adds to the sum of the small, and of the large ones."""
    return _SMALL, _LARGE


def raise_registers(registers: Array, at: Array, values: Array) -> tuple[Array, Array, Array]:
    """Set each register to the greatest of its values, if that is greater than its own.

    Returns, in order of arrival, which of the values changed a register, what it was before, and what after.
    """
    rising = np.flatnonzero(values > registers[at])
    at, values = at[rising], values[rising]
    order = np.argsort(at, kind="stable")
    slots, after = at[order], values[order]
    first = np.append(True, slots[1:] != slots[:-1])[: len(slots)]
    greatest = np.maximum.accumulate(slots * 64 + after) & 63
    before = np.where(first, registers[slots], np.roll(greatest, 1)).astype(np.int64)
    last = np.append(first[1:], True)[: len(slots)]
    registers[slots[last]] = greatest[last]
    changed = after > before
    order, before, after = order[changed], before[changed], after[changed]
    arrival = np.argsort(order)
    return rising[order[arrival]], before[arrival], after[arrival]


def converted(blob: bytes, lg_k: int, target: int) -> bytes:
    """A dense sketch as one of another type."""
    import datasketches

    union = datasketches.hll_union(lg_k)
    union.update(datasketches.hll_sketch.deserialize(blob))
    kind = (datasketches.HLL_4, datasketches.HLL_6, datasketches.HLL_8)[target]
    out: bytes = union.get_result(kind).serialize_compact()
    if target != HLL_4:  # there is nothing to leave out, and Java does not call them compact
        out = out[:5] + bytes([out[5] & ~_COMPACT]) + out[6:]
    return out


def read_array(blob: bytes) -> HllArray:
    """The registers of a dense sketch of any type. Read here, as the library crashes on some damaged ones."""
    lg_k, kind = blob[3], blob[7] >> 2 & 3
    size = 1 << lg_k
    length = {HLL_4: size // 2, HLL_6: size * 3 // 4 + 1, HLL_8: size}.get(kind)
    if length is None or len(blob) < _HEAD.size + length:
        raise corrupt("HLLSketch", "the type or the length")
    fields: tuple[Any, ...] = _HEAD.unpack_from(blob)
    packed = np.frombuffer(blob, dtype=np.uint8, offset=_HEAD.size, count=length)
    if kind == HLL_4:
        registers = _unpacked4(
            packed, blob[6], np.frombuffer(blob[_HEAD.size + length :][: 4 * (len(blob) // 4)], "u1")
        )
    elif kind == HLL_6:
        bits = np.unpackbits(packed, bitorder="little")[: 6 * size].reshape(size, 6)
        registers = np.packbits(bits, axis=1, bitorder="little")[:, 0]
    else:
        registers = packed.copy()
    if registers.max(initial=0) > 63:
        raise corrupt("HLLSketch", "a register beyond 63")
    return HllArray(lg_k, registers, float(fields[8]), bool(blob[5] & _OUT_OF_ORDER))


def _unpacked4(packed: Array, least: int, rest: Array) -> Array:
    """Four bits a register above the least one; those of 15 stand in full at the end, with their places."""
    registers = np.empty(2 * len(packed), dtype=np.uint8)
    registers[0::2], registers[1::2] = packed & 15, packed >> 4
    large = registers == 15
    registers = registers + np.uint8(least)
    pairs = rest[: len(rest) // 4 * 4].view("<u4").astype(np.int64)
    pairs = pairs[pairs > 0]
    registers[pairs & (len(registers) - 1)] = pairs >> _SLOT_BITS
    if len(pairs) < large.sum():
        raise corrupt("HLLSketch", "a large register without its value")
    return registers


@lru_cache(1 << 14)
def coupon_estimate(count: int) -> float:
    """The estimate of a sketch that still holds its coupons one by one."""
    import datasketches

    blob = b"".join(((1 << _SLOT_BITS) | i).to_bytes(4, "little") for i in range(count))
    head = bytes([3, 1, 7, 21, lg_table_size(count), _COMPACT, 0, 1]) + count.to_bytes(4, "little")
    estimate: float = datasketches.hll_sketch.deserialize(head + blob).get_estimate()
    return estimate
