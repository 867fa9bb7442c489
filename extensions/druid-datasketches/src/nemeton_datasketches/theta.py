"""Theta sketches by group: the smallest hashes of each, in arrays.

A union of theta sketches is settled by the hashes alone: it keeps the `k` smallest, and theta is the next one. So
neither the order of rows nor that of merges matters, and all groups are worked on at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.query.byte_strings import by_length
from nemeton.query.vectors import object_array
from nemeton_datasketches.base import corrupt
from nemeton_datasketches.hashing import SEED_HASH
from nemeton_datasketches.pairs import rows_of_groups

if TYPE_CHECKING:
    from nemeton.query.vectors import Array

MAX_THETA = (1 << 63) - 1
EMPTY = bytes([1, 3, 3, 0, 0, 0x1E, 0, 0])
_EMPTY_FLAG, _SINGLE_FLAG = 4, 32
_FLAGS = 0x1A  # read only, compact, ordered
_COMPACT_FROM = 1 << 18


class ThetaState:
    """Sketches of at most `size` hashes each. `thetas` and `used` (not empty) are by group."""

    def __init__(self, num_groups: int, size: int) -> None:
        self.size = size
        self.thetas = np.full(num_groups, MAX_THETA, dtype=np.int64)
        self.used = np.zeros(num_groups, dtype=bool)
        self._groups = np.zeros(0, dtype=np.int64)  # sorted by group, then by hash; no doubles
        self._hashes = np.zeros(0, dtype=np.int64)
        self._pending: list[tuple[Array, Array]] = []
        self._num_pending = 0

    @property
    def num_groups(self) -> int:
        """How many sketches."""
        return len(self.thetas)

    def resize(self, num_groups: int) -> None:
        """Add empty sketches."""
        more = num_groups - self.num_groups
        self.thetas = np.append(self.thetas, np.full(more, MAX_THETA, dtype=np.int64))
        self.used = np.append(self.used, np.zeros(more, dtype=bool))

    def add(self, groups: Array, hashes: Array) -> None:
        """Take in hashes (int64, positive); those beyond theta are passed over."""
        self.used[groups] = True
        keep = hashes < self.thetas[groups]
        if not keep.all():
            groups, hashes = groups[keep], hashes[keep]
        if len(groups):
            self._pending.append((groups, hashes))
            self._num_pending += len(groups)
            if self._num_pending > max(_COMPACT_FROM, 2 * len(self._hashes)):
                self.compact()

    def lower(self, groups: Array, thetas: Array) -> None:
        """Let theta be at most these."""
        np.minimum.at(self.thetas, groups, thetas)

    def compact(self) -> None:
        """Bring what was added into order, and cut each sketch to its size."""
        groups = np.concatenate([self._groups, *(groups for groups, _ in self._pending)])
        hashes = np.concatenate([self._hashes, *(hashes for _, hashes in self._pending)])
        self._pending, self._num_pending = [], 0
        keep = hashes < self.thetas[groups]
        groups, hashes = distinct(groups[keep], hashes[keep])
        starts = np.searchsorted(groups, np.arange(self.num_groups + 1))
        crowded = np.flatnonzero(np.diff(starts) > self.size)
        if len(crowded):
            self.thetas[crowded] = hashes[starts[crowded] + self.size]
            keep = hashes < self.thetas[groups]
            groups, hashes = groups[keep], hashes[keep]
        self._groups, self._hashes = groups, hashes

    def settled(self) -> tuple[Array, Array]:
        """All hashes by group and then by value, and where each group begins (one more than groups)."""
        if self._pending or (len(self._hashes) and (self._hashes >= self.thetas[self._groups]).any()):
            self.compact()
        return self._hashes, np.searchsorted(self._groups, np.arange(self.num_groups + 1))

    def take(self, groups: Array) -> ThetaState:
        """A copy of these groups."""
        hashes, starts = self.settled()
        out = ThetaState(len(groups), self.size)
        out.thetas, out.used = self.thetas[groups].copy(), self.used[groups].copy()
        counts, rows = rows_of_groups(starts, groups)
        out._groups, out._hashes = np.repeat(np.arange(len(groups)), counts), hashes[rows]
        return out

    def merge(self, other: ThetaState, group_ids: Array) -> None:
        """Unite with another state's sketches."""
        hashes, _ = other.settled()
        self.lower(group_ids, other.thetas)
        self.used[group_ids[other.used]] = True
        self.add(group_ids[other._groups], hashes)

    def merge_blobs(self, group_ids: Array, blobs: Array) -> None:
        """Unite with sketches as bytes; those of one length are read together."""
        for rows, matrix in by_length(blobs, least=1):
            if matrix.shape[1] % 8:
                raise corrupt("thetaSketch", f"{matrix.shape[1]} bytes")
            self._merge_words(group_ids[rows], matrix.view("<i8"))

    def _merge_words(self, groups: Array, words: Array) -> None:
        heads = np.ascontiguousarray(words[:, :1]).view(np.uint8)
        if ((heads[:, 1] - 1) > 3).any() or ((heads[:, 2] - 1) > 2).any():  # bytes, below one they are large
            raise corrupt("thetaSketch", "the version or the family")
        empty = heads[:, 5] & _EMPTY_FLAG != 0
        preamble = heads[:, 0] & 63
        plain = (heads[:, 1] == 3) & (heads[:, 2] == 3) & (preamble >= 1) & (preamble <= 3) & ~empty
        for row in np.flatnonzero(~plain & ~empty).tolist():
            self._merge_one(int(groups[row]), words[row].tobytes())
        for longs in range(1, 4):
            rows = np.flatnonzero(plain & (preamble == longs))
            if len(rows):
                self._merge_plain(groups[rows], words[rows], longs)

    def _merge_plain(self, groups: Array, words: Array, longs: int) -> None:
        """Compact sketches of the current version, all with as long a preamble."""
        if (words[:, 0].astype(np.uint64) >> np.uint64(48) != SEED_HASH).any():
            raise corrupt("thetaSketch", "another seed")
        count = words.shape[1] - longs
        if count < 0 or (count != 1 if longs == 1 else (words[:, 1] & 0xFFFFFFFF != count).any()):
            raise corrupt("thetaSketch", "the number of hashes")
        if (words[:, longs:] <= 0).any() or (longs == 3 and (words[:, 2] <= 0).any()):
            raise corrupt("thetaSketch", "a hash or theta is not positive")
        self.used[groups] = True
        if longs == 3:
            self.lower(groups, words[:, 2])
        self.add(np.repeat(groups, count), words[:, longs:].reshape(-1))

    def _merge_one(self, group: int, blob: bytes) -> None:
        """Any other form, through the library."""
        import datasketches

        try:
            sketch = datasketches.compact_theta_sketch.deserialize(blob)
            hashes = np.fromiter(sketch, dtype=np.int64, count=sketch.num_retained)
            theta = np.array([sketch.theta64], dtype=np.int64)
        except (RuntimeError, ValueError, IndexError, OverflowError, MemoryError) as error:
            raise corrupt("thetaSketch", error) from None
        if (hashes <= 0).any() or theta[0] <= 0:
            raise corrupt("thetaSketch", "a hash or theta is not positive")
        if not sketch.is_empty():
            self.used[group] = True
        self.lower(np.array([group]), theta)
        self.add(np.full(len(hashes), group, dtype=np.int64), hashes)

    def to_bytes(self) -> list[bytes]:
        """Compact and ordered, as Java writes them."""
        hashes, starts = self.settled()
        data, bounds = hashes.astype("<i8").tobytes(), (8 * starts).tolist()
        thetas, used = self.thetas.tolist(), self.used.tolist()
        return [image(data[bounds[g] : bounds[g + 1]], thetas[g]) if used[g] else EMPTY for g in range(self.num_groups)]

    def estimates(self) -> Array:
        """The estimated number of distinct values of each group."""
        _, starts = self.settled()
        counts: Array = estimate(np.diff(starts), self.thetas)
        return counts


def estimate(counts: Any, thetas: Any) -> Any:
    """Druid's arithmetic: the number of hashes over the sampled part of all."""
    return np.where(thetas == MAX_THETA, counts, counts * (2.0**63 / thetas))


def image(hashes: bytes, theta: int) -> bytes:
    """The bytes of a sketch that is not empty."""
    count = len(hashes) // 8
    seed = SEED_HASH.to_bytes(2, "little")
    if theta == MAX_THETA and count == 1:
        return bytes([1, 3, 3, 0, 0, _FLAGS | _SINGLE_FLAG]) + seed + hashes
    head = bytes([2 if theta == MAX_THETA else 3, 3, 3, 0, 0, _FLAGS]) + seed
    head += count.to_bytes(4, "little") + b"\0\0\x80\x3f"  # the sampling probability, 1.0
    return head + (b"" if theta == MAX_THETA else theta.to_bytes(8, "little")) + hashes


def distinct(groups: Array, hashes: Array) -> tuple[Array, Array]:
    """The distinct pairs, by group and then by hash."""
    if not len(groups):
        return groups, hashes
    if groups[0] == groups[-1] and (groups == groups[0]).all():
        hashes = np.unique(hashes)
        return np.full(len(hashes), groups[0]), hashes
    order = pair_order(groups, hashes)
    groups, hashes = groups[order], hashes[order]
    fresh = np.ones(len(groups), dtype=bool)
    fresh[1:] = (groups[1:] != groups[:-1]) | (hashes[1:] != hashes[:-1])
    return groups[fresh], hashes[fresh]


def pair_order(groups: Array, hashes: Array) -> Array:
    """The order by group and then by hash.

    One sort by the group and as many of the hash's first bits as have room does it, since others hardly ever tie.
    """
    bits = int(groups.max()).bit_length()
    keys = hashes.astype(np.uint64) << np.uint64(1) >> np.uint64(bits)
    keys |= groups.astype(np.uint64) << np.uint64(64 - bits)
    order = np.argsort(keys)
    same_group = groups[order][1:] == groups[order][:-1]
    ascending: bool = (hashes[order][1:] >= hashes[order][:-1])[same_group].all()
    return order if ascending else np.lexsort((hashes, groups))


@frozen
class ThetaSketch:
    """One sketch: its hashes ascending, all below theta (`MAX_THETA` when it has seen fewer than it could keep)."""

    theta: int
    hashes: Array
    is_empty: bool

    @classmethod
    def read(cls, blob: bytes | None) -> ThetaSketch:
        """The sketch of these bytes; no bytes are an empty one."""
        state = ThetaState(1, 1 << 26)
        state.merge_blobs(np.zeros(1, dtype=np.int64), object_array([blob]))
        hashes, _ = state.settled()
        return cls(int(state.thetas[0]), hashes, not state.used[0])

    @property
    def estimate(self) -> float:
        """The estimated number of distinct values."""
        return float(estimate(len(self.hashes), self.theta))

    def library(self) -> Any:
        """The library's sketch of the same, which knows bounds. What was read here it does not stumble over."""
        import datasketches

        return datasketches.compact_theta_sketch.deserialize(self.to_bytes())

    def to_bytes(self) -> bytes:
        """As Java writes it."""
        return EMPTY if self.is_empty else image(self.hashes.astype("<i8").tobytes(), self.theta)
