"""Keeping what the native libraries hold on to small: they free memory for themselves rather than for the system."""

from __future__ import annotations

import os
import sys

_SETTINGS = {
    # polars' allocator, read when polars is loaded: give back what has been free for half a second.
    "_RJEM_MALLOC_CONF": "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0",
}


def prepare() -> None:
    """Set up polars' allocator; to be called before polars is loaded, and without effect after that."""
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
