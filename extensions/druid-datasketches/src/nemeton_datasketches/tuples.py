"""Tuple sketches by group ("array of doubles"): the smallest hashes of each, and with each hash sums of values."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.query.byte_strings import by_length
from nemeton.query.vectors import object_array
from nemeton_datasketches.base import corrupt
from nemeton_datasketches.hashing import SEED_HASH
from nemeton_datasketches.pairs import rows_of_groups
from nemeton_datasketches.theta import MAX_THETA, ThetaSketch, pair_order

if TYPE_CHECKING:
    from nemeton.query.vectors import Array

_COMPACT_FROM = 1 << 18
_HEAD = struct.Struct("<6BHq")
_COUNT = struct.Struct("<II")
_FAMILY, _COMPACT_TYPE = 9, 3
_EMPTY_FLAG, _ENTRIES_FLAG = 4, 8


class TupleState:
    """Sketches that keep about `size` hashes each, with `num_values` sums for each hash.

    One that is built from rows cuts itself back to `size` only when it has grown to nearly twice that, as in Java;
    one that was united with another always.
    """

    def __init__(self, num_groups: int, size: int, num_values: int) -> None:
        self.size = size
        self.num_values = num_values
        self.thetas = np.full(num_groups, MAX_THETA, dtype=np.int64)
        self.used = np.zeros(num_groups, dtype=bool)
        self._united = np.zeros(num_groups, dtype=bool)
        self._groups = np.zeros(0, dtype=np.int64)  # sorted by group, then by hash; no doubles
        self._hashes = np.zeros(0, dtype=np.int64)
        self._values = np.zeros((0, num_values))
        self._pending: list[tuple[Array, Array, Array]] = []
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
        self._united = np.append(self._united, np.zeros(more, dtype=bool))

    def add(self, groups: Array, hashes: Array, values: Array) -> None:
        """Take in hashes (int64, positive) and their values (a row each) in order of arrival."""
        self.used[groups] = True
        keep = hashes < self.thetas[groups]
        if not keep.all():
            groups, hashes, values = groups[keep], hashes[keep], values[keep]
        if len(groups):
            self._pending.append((groups, hashes, values))
            self._num_pending += len(groups)
            if self._num_pending > max(_COMPACT_FROM, 2 * len(self._hashes)):
                self.compact()

    def compact(self) -> None:
        """Bring what was added into order, add up equal hashes, and cut sketches that are too large."""
        parts = [(self._groups, self._hashes, self._values), *self._pending]
        groups, hashes, values = (np.concatenate(each) for each in zip(*parts, strict=True))
        self._pending, self._num_pending = [], 0
        order = np.zeros(0, dtype=np.int64)
        if len(groups):
            order = pair_order(groups, hashes) if groups.any() else np.argsort(hashes)
            groups, hashes, values = groups[order], hashes[order], values[order]
            fresh = np.ones(len(groups), dtype=bool)
            fresh[1:] = (groups[1:] != groups[:-1]) | (hashes[1:] != hashes[:-1])
            firsts = np.flatnonzero(fresh)
            order, values = np.minimum.reduceat(order, firsts), np.add.reduceat(values, firsts, axis=0)
            groups, hashes = groups[firsts], hashes[firsts]
        self._cut(groups, hashes, order)
        keep = hashes < self.thetas[groups]
        self._groups, self._hashes, self._values = groups[keep], hashes[keep], values[keep]

    def _cut(self, groups: Array, hashes: Array, arrival: Array) -> None:
        """Lower the thetas of sketches with too many hashes."""
        starts = np.searchsorted(groups, np.arange(self.num_groups + 1))
        most = int(2 * self.size * 15 / 16)
        counts = np.diff(starts)
        for group in np.flatnonzero(counts > np.where(self._united, self.size, most)).tolist():
            rows = slice(starts[group], starts[group + 1])
            own, when = hashes[rows], arrival[rows]
            below = own < self.thetas[group]
            own, when = own[below], when[below]
            limit = self.size if self._united[group] else most
            while len(own) > limit:
                seen = own if self._united[group] else own[np.argsort(when)[: most + 1]]
                theta = np.partition(seen, self.size)[self.size]
                self.thetas[group] = theta
                own, when = own[own < theta], when[own < theta]

    def settled(self) -> tuple[Array, Array, Array]:
        """All hashes by group and then by value, the sums, and where each group begins (one more than groups)."""
        if self._pending or self._needs_cut():
            self.compact()
        return self._hashes, self._values, np.searchsorted(self._groups, np.arange(self.num_groups + 1))

    def _needs_cut(self) -> bool:
        counts = np.bincount(self._groups, minlength=self.num_groups)
        return bool(((counts > self.size) & self._united).any() or (self._hashes >= self.thetas[self._groups]).any())

    def take(self, groups: Array) -> TupleState:
        """A copy of these groups."""
        hashes, values, starts = self.settled()
        out = TupleState(len(groups), self.size, self.num_values)
        out.thetas, out.used = self.thetas[groups].copy(), self.used[groups].copy()
        out._united = self._united[groups].copy()
        counts, rows = rows_of_groups(starts, groups)
        out._groups = np.repeat(np.arange(len(groups)), counts)
        out._hashes, out._values = hashes[rows], values[rows]
        return out

    def merge(self, other: TupleState, group_ids: Array) -> None:
        """Unite with another state's sketches."""
        hashes, values, _ = other.settled()
        self._unite(group_ids, other.used, other._united, other.thetas)
        self.add(group_ids[other._groups], hashes, values)

    def _unite(self, groups: Array, used: Array, united: Array, thetas: Array) -> None:
        """Note which groups hold more than one sketch now, and let theta be at most these."""
        before = self.used[groups]
        self._united[groups[(used & before) | united]] = True
        counts = np.bincount(groups[used], minlength=self.num_groups)
        self._united |= counts > 1
        self.used[groups[used]] = True
        np.minimum.at(self.thetas, groups, thetas)

    def merge_blobs(self, group_ids: Array, blobs: Array) -> None:
        """Unite with sketches as bytes; those of one length are read together."""
        for rows, matrix in by_length(blobs, least=1):
            if matrix.shape[1] < _HEAD.size or matrix.shape[1] % 8:
                raise corrupt("arrayOfDoublesSketch", f"{matrix.shape[1]} bytes")
            self._merge_words(group_ids[rows], matrix.view("<i8"))

    def _merge_words(self, groups: Array, words: Array) -> None:
        heads = np.ascontiguousarray(words[:, :1]).view(np.uint8)
        num_values = check_heads(heads)
        used = heads[:, 4] & _EMPTY_FLAG == 0
        count = 0
        if words.shape[1] > 2:
            count = (words.shape[1] - 3) // (1 + num_values)
            if (words[:, 2] & 0xFFFFFFFF != count).any() or words.shape[1] != 3 + count * (1 + num_values):
                raise corrupt("arrayOfDoublesSketch", "the number of entries")
        if (words[:, 1] <= 0).any() or (words[:, 3 : 3 + count] <= 0).any():
            raise corrupt("arrayOfDoublesSketch", "a hash or theta is not positive")
        if num_values != self.num_values:  # whole sketches: the query asks for the wrong number
            raise invalid_input(f"Incompatible sketches: number of values mismatch {self.num_values} and {num_values}")
        self._unite(groups, used, np.zeros(len(groups), dtype=bool), words[:, 1])
        if count:
            values = np.ascontiguousarray(words[:, 3 + count :]).view("<f8")
            self.add(np.repeat(groups, count), words[:, 3 : 3 + count].reshape(-1), values.reshape(-1, self.num_values))

    def to_bytes(self) -> list[bytes]:
        """Compact, as Java writes them but for the order of the entries, which has no meaning."""
        return [sketch.to_bytes() for sketch in self.sketches()]

    def sketches(self) -> list[TupleSketch]:
        """One by one."""
        hashes, values, starts = self.settled()
        thetas, used, bounds = self.thetas.tolist(), self.used.tolist(), starts.tolist()
        return [
            TupleSketch(
                thetas[g], hashes[bounds[g] : bounds[g + 1]], values[bounds[g] : bounds[g + 1]], is_empty=not used[g]
            )
            for g in range(self.num_groups)
        ]

    def estimates(self) -> Array:
        """The estimated number of distinct keys of each group."""
        _, _, starts = self.settled()
        return np.diff(starts) / (self.thetas / float(MAX_THETA))


def check_heads(heads: Array) -> int:
    """Refuse what are no compact tuple sketches of one number of values; return that number."""
    if (heads[:, 1] != 1).any() or (heads[:, 2] != _FAMILY).any() or (heads[:, 3] != _COMPACT_TYPE).any():
        raise corrupt("arrayOfDoublesSketch", "the version, the family or the type")
    if (np.ascontiguousarray(heads[:, 6:8]).view("<u2") != SEED_HASH).any():
        raise corrupt("arrayOfDoublesSketch", "another seed")
    found = int(heads[0, 5])
    if (heads[:, 5] != found).any():
        raise corrupt("arrayOfDoublesSketch", f"the number of values, {found} in another sketch")
    return found


@frozen(eq=False)
class TupleSketch:
    """One sketch: its hashes ascending, all below theta, and a row of values for each."""

    theta: int
    hashes: Array
    values: Array
    is_empty: bool

    @classmethod
    def read(cls, blob: bytes | None, num_values: int = 1) -> TupleSketch:
        """The sketch of these bytes, which say how many values it has; no bytes are an empty one."""
        if blob:
            if len(blob) < _HEAD.size:
                raise corrupt("arrayOfDoublesSketch", f"{len(blob)} bytes")
            num_values = blob[5]
        state = TupleState(1, 1 << 26, num_values)
        state.merge_blobs(np.zeros(1, dtype=np.int64), object_array([blob]))
        return state.sketches()[0]

    @property
    def num_values(self) -> int:
        """How many values each hash has."""
        return int(self.values.shape[1])

    @property
    def sampled(self) -> float:
        """Theta as a fraction."""
        return self.theta / float(MAX_THETA)

    @property
    def estimate(self) -> float:
        """The estimated number of distinct keys."""
        return float(len(self.hashes) / self.sampled)

    def bounds(self, num_std_dev: int) -> tuple[float, float]:
        """Lower and upper bound of the estimate, as the theta sketch of the same hashes has them."""
        sketch = ThetaSketch(self.theta, self.hashes, self.is_empty).library()
        return sketch.get_lower_bound(num_std_dev), sketch.get_upper_bound(num_std_dev)

    def to_bytes(self) -> bytes:
        """As Java writes it, but for the order of the entries."""
        count = len(self.hashes)
        flags = (_EMPTY_FLAG if self.is_empty else 0) | (_ENTRIES_FLAG if count else 0)
        head = _HEAD.pack(1, 1, _FAMILY, _COMPACT_TYPE, flags, self.num_values, SEED_HASH, self.theta)
        if not count:
            return head
        return head + _COUNT.pack(count, 0) + self.hashes.astype("<i8").tobytes() + self.values.astype("<f8").tobytes()


def united(sketches: list[TupleSketch], size: int, num_values: int) -> TupleSketch:
    """All keys, values of equal ones added up."""
    state = TupleState(1, size, num_values)
    for sketch in sketches:
        state.merge_blobs(np.zeros(1, dtype=np.int64), object_array([sketch.to_bytes()]))
    state._united[:] = True
    return state.sketches()[0]


def intersected(sketches: list[TupleSketch], num_values: int) -> TupleSketch:
    """The keys that all have, values added up."""
    if any(sketch.is_empty for sketch in sketches):
        return TupleSketch.read(None, num_values)
    hashes, values = sketches[0].hashes, sketches[0].values
    for other in sketches[1:]:
        hashes, own, theirs = np.intersect1d(hashes, other.hashes, assume_unique=True, return_indices=True)
        values = values[own] + other.values[theirs]
    return _below(min(sketch.theta for sketch in sketches), hashes, values)


def without(sketches: list[TupleSketch]) -> TupleSketch:
    """The keys of the first that no other has, with its values."""
    result = sketches[0]
    for other in sketches[1:]:
        if result.is_empty:
            break
        keep = ~np.isin(result.hashes, other.hashes)
        result = _below(min(result.theta, other.theta), result.hashes[keep], result.values[keep])
    return result


def _below(theta: int, hashes: Array, values: Array) -> TupleSketch:
    keep = hashes < theta
    return TupleSketch(theta, hashes[keep], values[keep], is_empty=theta == MAX_THETA and not keep.any())
