"""How often a server looks for cyclic garbage, and how much freed memory it keeps at hand."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable

_THRESHOLDS = (50_000, 20, 50)
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_LEAST_HEAPS = 2
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


def share_heaps() -> None:
    """Let the threads of this process, a server that has none yet, share as many of the C library's heaps as cores.

    glibc makes eight times as many, and each keeps what one thread has let go from all others; of a server's many
    threads few take memory at the same moment. ``MALLOC_ARENA_MAX`` in the environment stands.
    """
    mallopt = _mallopt()
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, max(_LEAST_HEAPS, len(os.sched_getaffinity(0))))


def keep_freed_memory() -> None:
    """Have each of the C library's heaps keep up to 64 MiB of free memory instead of giving each bit back at once.

    Arrays of a block of rows come and go. Those of half a megabyte would otherwise be mapped by the system each time,
    and each of their pages be cleared at its first use, which takes longer than most of what is computed in them.
    Nothing happens where the C library is another than glibc.
    """
    mallopt = _mallopt()
    if mallopt is None:
        return
    for option, size in (
        (_M_MMAP_THRESHOLD, _MAPPED_BYTES),
        (_M_TRIM_THRESHOLD, _KEPT_BYTES),
        (_M_TOP_PAD, _PAD_BYTES),
    ):
        mallopt(option, size)


def _mallopt() -> Callable[[int, int], int] | None:
    """glibc's function of that name; None where the C library is another."""
    try:
        found: Callable[[int, int], int] = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return None
    return found
