"""Keeping what the native libraries hold on to small: they free memory for themselves rather than for the system."""

from __future__ import annotations

import os
import sys

_SETTINGS = {
    # polars' allocator, read when polars is loaded: two heaps, and what has been free for some seconds is given back.
    "_RJEM_MALLOC_CONF": "background_thread:true,narenas:2,dirty_decay_ms:3000,muzzy_decay_ms:0",
    # Arrow's memory is the C library's heap, as numpy's is: what one frees the other gets, without the system.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


def prepare() -> None:
    """Set up polars' allocator and Arrow's; to be called before they are loaded, and without effect after that."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def release() -> None:
    """Give unused memory back to the system."""
    if "pyarrow" in sys.modules:
        import pyarrow as pa

        pa.default_memory_pool().release_unused()
    _trim()


def _trim() -> None:
    """The C library's own heap, where it is glibc."""
    import ctypes

    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return
