"""The order in which Java's sketch keeps coupons in its hash table, and so writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nemeton.query.vectors import Array

_FIRST_LG = 5
_KEY_MASK = (1 << 26) - 1


def lg_table_size(count: int) -> int:
    """The binary logarithm of the slots of a table with so many coupons."""
    lg = _FIRST_LG
    while 4 * count > 3 << lg:
        lg += 1
    return lg


def table_orders(coupons: Array, starts: Array, chosen: Array) -> Array:
    """The coupons with those of the chosen groups in the order of their tables.

    A table begins with 32 slots and doubles whenever it is fuller than three quarters; the old one's coupons go into
    the new one in the order of their slots, and later ones after them.
    """
    coupons = coupons.copy()
    counts = np.where(chosen, np.diff(starts), 0)
    lg = _FIRST_LG
    while counts.any():
        # the table takes coupons until it is too full, and is then as it is rehashed
        most = (3 << lg) // 4 + 1
        here = np.flatnonzero(counts)
        used = np.minimum(counts[here], most)
        rows = np.repeat(starts[here] - (np.cumsum(used) - used), used) + np.arange(int(used.sum()))
        coupons[rows] = _laid_out(coupons[rows], np.repeat(np.arange(len(here)), used), lg)
        counts = np.where(counts >= most, counts, 0)
        lg += 1
    return coupons


def _laid_out(coupons: Array, tables: Array, lg: int) -> Array:
    """The coupons of several tables, each by slot.

    To put one after another into the first free slot is to let each slot have the earliest of those that ask for it,
    the others going on to their next slot: so all tables are filled at once, in a few rounds.
    """
    mask = (1 << lg) - 1
    slots = coupons & mask
    strides = ((coupons & _KEY_MASK) >> lg) | 1
    owners = np.full((int(tables[-1]) + 1) << lg, len(coupons), dtype=np.int64)
    asking = np.arange(len(coupons))
    while len(asking):
        places = (tables[asking] << lg) + slots[asking]
        before = owners[places]
        np.minimum.at(owners, places, asking)
        displaced = np.unique(before[owners[places] != before])
        lost = asking[owners[places] != asking]
        asking = np.concatenate([lost, displaced[displaced < len(coupons)]])
        slots[asking] = (slots[asking] + strides[asking]) & mask
    taken = owners[owners < len(coupons)]
    out: Array = coupons[taken]
    return out
