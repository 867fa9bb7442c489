"""HyperLogLog sketches by group: coupons in flat arrays while a group has few of them, then registers.

A *coupon* is what a value's hash comes to: 26 bits of address and, above them, a register value of 6 bits.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.query.byte_strings import by_length
from nemeton.query.vectors import object_array
from nemeton_datasketches.base import corrupt
from nemeton_datasketches.hll_array import HLL_8, HllArray, coupon_estimate, read_array
from nemeton_datasketches.hll_pool import DensePool
from nemeton_datasketches.hll_table import lg_table_size, table_orders
from nemeton_datasketches.pairs import first_rows, rows_of_groups

if TYPE_CHECKING:
    from nemeton.query.vectors import Array

_COUPON_BITS = 32
_COUPON_MASK = (1 << _COUPON_BITS) - 1
_ADDRESS_MASK = np.uint64((1 << 26) - 1)
_COMPACT_FROM = 1 << 18
LIST_SIZE = 8
_EMPTY_FLAG, _COMPACT_FLAG = 4, 8


def coupons_of(first: Array, second: Array) -> Array:
    """The coupons of hashes, as int64."""
    # The exponent of a double is the place of the highest bit, unless rounding carries over: clear the low bits before.
    high = second & ~(second >> np.uint64(1))
    _, exponents = np.frexp(high.astype(np.float64))
    zeros = 64 - exponents.astype(np.int64)
    values = np.minimum(zeros, 62) + 1
    out: Array = (values << 26) | (first & _ADDRESS_MASK).astype(np.int64)
    return out


def coupon_limit(lg_k: int) -> int:
    """How many coupons a sketch keeps before it turns to registers."""
    return LIST_SIZE - 1 if lg_k < LIST_SIZE else (3 << (lg_k - 3)) // 4


class HllState:
    """Sketches with `2 ** lg_k` registers at most; merging a dense one with fewer shrinks a group's."""

    def __init__(self, num_groups: int, lg_k: int) -> None:
        self.lg_k = lg_k
        self.num_groups = num_groups
        self._pool = DensePool(num_groups, lg_k)
        self._odd: dict[int, HllArray] = {}  # sketches with fewer registers than others
        self._keys = np.zeros(0, dtype=np.int64)  # group and coupon in order of arrival, no doubles
        self._pending: list[Array] = []
        self._num_pending = 0

    def resize(self, num_groups: int) -> None:
        """Add empty sketches."""
        self._pool.resize(num_groups)
        self.num_groups = num_groups

    def add(self, groups: Array, coupons: Array) -> None:
        """Take in coupons in order of arrival."""
        if self._pool.groups:
            dense = self._pool.holds(groups)
            if dense.any():
                self._pool.add(groups[dense], coupons[dense])
                groups, coupons = groups[~dense], coupons[~dense]
        if self._odd and len(groups):
            groups, coupons = self._add_odd(groups, coupons)
        if len(groups):
            self._pending.append(groups << _COUPON_BITS | coupons)
            self._num_pending += len(groups)
            if self._num_pending > max(_COMPACT_FROM, 2 * len(self._keys)):
                self.compact()

    def _add_odd(self, groups: Array, coupons: Array) -> tuple[Array, Array]:
        odd = np.isin(groups, list(self._odd))
        for group, rows in runs_of(groups[odd]) if odd.any() else ():
            chosen = coupons[odd]
            self._odd[group].add(chosen if rows is None else chosen[rows])
        return groups[~odd], coupons[~odd]

    def compact(self) -> None:
        """Drop doubles, and turn to registers the groups that have too many coupons."""
        if not self._pending:
            return
        keys = np.concatenate([self._keys, *self._pending])
        self._pending, self._num_pending = [], 0
        keys = keys[first_rows(keys)]
        groups = keys >> _COUPON_BITS
        counts = np.bincount(groups, minlength=self.num_groups)
        crowded = counts > coupon_limit(self.lg_k)
        if crowded.any():
            dense = crowded[groups]
            self._promote(groups[dense], keys[dense] & _COUPON_MASK)
            keys = keys[~dense]
        self._keys = keys

    def _promote(self, groups: Array, coupons: Array) -> None:
        few = coupon_limit(self.lg_k) + 1
        rest = np.zeros(len(groups), dtype=bool)
        for group, rows in runs_of(groups):
            array = HllArray.empty(self.lg_k)
            array.add(coupons[:few] if rows is None else coupons[rows[:few]], follow=False)
            array.hip = coupon_estimate(few)
            self._pool.put(group, array)
            rest[slice(few, None) if rows is None else rows[few:]] = True
        if rest.any():
            self._pool.add(groups[rest], coupons[rest])

    def settled(self) -> tuple[Array, Array]:
        """All coupons by group and then in order of arrival, and where each group begins (one more than groups)."""
        self.compact()
        groups = self._keys >> _COUPON_BITS
        order = np.argsort(groups, kind="stable")
        starts = np.searchsorted(groups[order], np.arange(self.num_groups + 1))
        return (self._keys & _COUPON_MASK)[order], starts

    def take(self, groups: Array) -> HllState:
        """A copy of these groups."""
        coupons, starts = self.settled()
        out = HllState(len(groups), self.lg_k)
        counts, rows = rows_of_groups(starts, groups)
        out._keys = np.repeat(np.arange(len(groups)), counts) << _COUPON_BITS | coupons[rows]
        for new in np.flatnonzero(self._pool.holds(groups)).tolist():
            out._pool.put(new, self._pool.get(int(groups[new])))
        for new, old in enumerate(groups.tolist()) if self._odd else ():
            if old in self._odd:
                out._odd[new] = self._odd[old].copy()
        return out

    def _array(self, group: int) -> HllArray | None:
        """A copy of a group's registers, if it has any."""
        if self._odd and group in self._odd:
            return self._odd[group].copy()
        return self._pool.get(group) if self._pool.holds(np.array([group]))[0] else None

    def _dense_groups(self) -> list[int]:
        return [*(group for group in self._pool.groups if group >= 0), *self._odd]

    def merge(self, other: HllState, group_ids: Array) -> None:
        """Unite with another state's sketches."""
        other.compact()
        dense = np.array(other._dense_groups(), dtype=np.int64)
        if len(dense) and self.lg_k == other.lg_k and not other._odd:
            both = self._pool.holds(group_ids[dense])
            if both.any():
                self._pool.unite(group_ids[dense[both]], other._pool, dense[both])
                dense = dense[~both]
        for group in dense.tolist():
            array = other._array(group)
            assert array is not None
            self._merge_array(int(group_ids[group]), array)
        keys = other._keys
        self.add(group_ids[keys >> _COUPON_BITS], keys & _COUPON_MASK)

    def _merge_array(self, group: int, array: HllArray) -> None:
        """Take in registers; they become this group's if it has none yet."""
        own = self._array(group)
        if own is None:
            self.compact()  # which may give it some
            own = self._array(group)
        if own is not None:
            own.merge(array)
            array = own
        else:
            array.shrink(self.lg_k)
            coupons = self._keys >> _COUPON_BITS == group
            if coupons.any():
                array.add(self._keys[coupons] & _COUPON_MASK)
                self._keys = self._keys[~coupons]
        if array.lg_k == self.lg_k:
            self._pool.put(group, array)
            return
        if self._pool.holds(np.array([group]))[0]:
            self._pool.drop(group)
        self._odd[group] = array

    def merge_blobs(self, group_ids: Array, blobs: Array) -> None:
        """Unite with sketches as bytes; those that hold coupons and are of one length are read together."""
        found: list[tuple[Array, Array, Array]] = []
        for rows, matrix in by_length(blobs, least=1):
            if matrix.shape[1] < LIST_SIZE:
                raise corrupt("HLLSketch", f"{matrix.shape[1]} bytes")
            check_heads(matrix)
            mode = matrix[:, 7] & 3
            for row in rows[mode == 2].tolist():
                self._merge_array(int(group_ids[row]), read_array(blobs[row]))
            for kind, begin in ((0, 8), (1, 12)):
                chosen = mode == kind
                if chosen.any():
                    found.append(coupons_in(matrix[chosen], rows[chosen], begin))
        if found:
            rows, places, coupons = (np.concatenate(parts) for parts in zip(*found, strict=True))
            order = np.lexsort((places, rows))
            self.add(group_ids[rows[order]], coupons[order])

    def to_bytes(self, target: int = 0, as_table: bool = True) -> list[bytes]:
        """As Java writes them: a list of coupons, a table of coupons, or registers of the target type.

        Without `as_table` a table is written in order of arrival, which is faster, and means the same.
        """
        coupons, starts = self.settled()
        counts = np.diff(starts)
        if as_table and self.lg_k >= LIST_SIZE and (counts >= LIST_SIZE).any():
            coupons = table_orders(coupons, starts, counts >= LIST_SIZE)
        data, bounds = coupons.astype("<u4").tobytes(), (4 * starts).tolist()
        pairs = itertools.pairwise(bounds)
        out = [coupon_image(data[begin:end], self.lg_k, target) for begin, end in pairs]
        for group in self._dense_groups():
            array = self._array(group)
            assert array is not None
            out[group] = array.to_bytes(target)
        return out

    def estimates(self) -> Array:
        """The estimated number of distinct values of each group."""
        import datasketches

        _, starts = self.settled()
        counts, inverse = np.unique(np.diff(starts), return_inverse=True)
        out = np.array([coupon_estimate(count) for count in counts.tolist()], dtype=np.float64)[inverse]
        for group in self._dense_groups():
            array = self._array(group)
            assert array is not None
            out[group] = datasketches.hll_sketch.deserialize(array.image()).get_estimate()
        return out


def library_sketch(blob: bytes) -> Any:
    """The library's sketch of these bytes, read and written anew, as it crashes on some damaged ones."""
    import datasketches

    if len(blob) < LIST_SIZE:
        raise corrupt("HLLSketch", f"{len(blob)} bytes")
    check_heads(np.frombuffer(blob, np.uint8)[None, :])
    state = HllState(1, blob[3])
    state.merge_blobs(np.zeros(1, dtype=np.int64), object_array([blob]))
    return datasketches.hll_sketch.deserialize(state.to_bytes(HLL_8, as_table=False)[0])


def runs_of(groups: Array) -> list[tuple[int, Any]]:
    """Each group that occurs and its rows in order; None for the rows when there is but one group."""
    if (groups == groups[0]).all():
        return [(int(groups[0]), None)]
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    cuts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    parts = np.split(order, cuts)
    return [(int(groups[part[0]]), part) for part in parts]


def check_heads(matrix: Array) -> None:
    """Refuse what is no HLL sketch."""
    if (matrix[:, 1] != 1).any() or (matrix[:, 2] != 7).any():
        raise corrupt("HLLSketch", "the version or the family")
    lg_k, mode, longs = matrix[:, 3], matrix[:, 7] & 3, matrix[:, 0]
    if (lg_k < 4).any() or (lg_k > 21).any() or (mode > 2).any() or (longs != np.array([2, 3, 10])[mode]).any():
        raise corrupt("HLLSketch", "the header")


def coupons_in(matrix: Array, rows: Array, begin: int) -> tuple[Array, Array, Array]:
    """The coupons of sketches of one length: the row and the place of each. Free slots of tables are left out."""
    count = (matrix.shape[1] - begin) // 4
    coupons = np.ascontiguousarray(matrix[:, begin : begin + 4 * count]).view("<u4").astype(np.int64)
    which, place = np.nonzero(coupons)
    return rows[which], place, coupons[which, place]


def coupon_image(coupons: bytes, lg_k: int, target: int) -> bytes:
    """The bytes of a sketch of these coupons."""
    count = len(coupons) // 4
    if count < LIST_SIZE:
        flags = _COMPACT_FLAG | (0 if count else _EMPTY_FLAG)
        return bytes([2, 1, 7, lg_k, 3, flags, count, target << 2]) + coupons
    head = bytes([3, 1, 7, lg_k, lg_table_size(count), _COMPACT_FLAG, 0, 1 | target << 2])
    return head + count.to_bytes(4, "little") + coupons


def is_empty_image(blob: bytes) -> bool:
    """Whether these are the bytes of an empty sketch."""
    return bool(blob[5] & _EMPTY_FLAG)
