"""How often a server looks for cyclic garbage, and how much freed memory it keeps at hand."""

from __future__ import annotations

import ctypes
import gc

_THRESHOLDS = (50_000, 20, 50)
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEPT_BYTES = 64 * 2**20
_PAD_BYTES = 4 * 2**20
_MAPPED_BYTES = 32 * 2**20  # the most that glibc takes


def calm_collector() -> None:
    """Have this process, a server, look for cyclic garbage seldom.

    Python's defaults are those of small programs: they look after every 700 new objects, and an Overlord with ten
    thousand tasks spends a third of its time so. Nearly all garbage has no cycles and goes at once in any case.
    """
    gc.set_threshold(*_THRESHOLDS)


def settle_heap() -> None:
    """Take what there is now, a server that has just started, out of all later searches for garbage."""
    gc.collect()
    gc.freeze()


def keep_freed_memory() -> None:
    """Have the C library's heap keep up to 64 MiB of free memory a thread instead of giving each bit back at once.

    Arrays of a block of rows come and go. Those of half a megabyte would otherwise be mapped by the system each time,
    and each of their pages be cleared at its first use, which takes longer than most of what is computed in them.
    Nothing happens where the C library is another than glibc.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    for option, size in (
        (_M_MMAP_THRESHOLD, _MAPPED_BYTES),
        (_M_TRIM_THRESHOLD, _KEPT_BYTES),
        (_M_TOP_PAD, _PAD_BYTES),
    ):
        mallopt(option, size)
