"""Which rows were seen before, in bounded memory: exact for a million, then a Bloom filter."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

Hashes = NDArray[Any]

_EXACT = 1 << 20
_BITS = 1 << 30
_PROBES = 4


@define
class SeenRows:
    """Takes 64-bit hashes. Memory: 8 bytes per distinct row, then 128 MiB; a hundred million rows fit with 1% of error.

    An error is a row that is taken for one seen before.
    """

    exact_limit: int = _EXACT
    num_bits: int = _BITS
    _known: Hashes = field(init=False, factory=lambda: np.zeros(0, dtype=np.uint64))
    _bits: NDArray[np.uint8] | None = field(init=False, default=None)

    def are_new(self, hashes: Hashes) -> NDArray[np.bool_]:
        """For each whether neither an earlier call nor an earlier place had it; from now on they have been seen."""
        distinct, places = np.unique(hashes, return_index=True)
        new = ~self._has(distinct)
        self._put(distinct[new])
        out = np.zeros(len(hashes), dtype=bool)
        out[places[new]] = True
        return out

    def _has(self, distinct: Hashes) -> NDArray[np.bool_]:
        if self._bits is None:
            at = np.searchsorted(self._known, distinct)
            found = np.zeros(len(distinct), dtype=bool)
            inside = at < len(self._known)
            found[inside] = self._known[at[inside]] == distinct[inside]
            return found
        found = np.ones(len(distinct), dtype=bool)
        for place in self._places(distinct):
            found &= (self._bits[place >> 3] >> (place & 7).astype(np.uint8)) & 1 == 1
        return found

    def _put(self, distinct: Hashes) -> None:
        if self._bits is None:
            self._known = np.union1d(self._known, distinct)
            if len(self._known) <= self.exact_limit:
                return
            self._bits = np.zeros(self.num_bits // 8, dtype=np.uint8)
            distinct, self._known = self._known, np.zeros(0, dtype=np.uint64)
        for place in self._places(distinct):
            np.bitwise_or.at(self._bits, place >> 3, np.uint8(1) << (place & 7).astype(np.uint8))

    def _places(self, hashes: Hashes) -> list[NDArray[np.int64]]:
        """Bits of each hash: two halves make as many as are needed."""
        low, high = hashes & np.uint64(0xFFFFFFFF), hashes >> np.uint64(32)
        with np.errstate(over="ignore"):
            return [
                ((low + np.uint64(i) * (high | np.uint64(1))) % np.uint64(self.num_bits)).astype(np.int64)
                for i in range(_PROBES)
            ]
