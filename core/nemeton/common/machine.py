"""What the machine has."""

from __future__ import annotations

import os


def physical_memory(unknown: int = 0) -> int:
    """The bytes of memory of the machine; `unknown` where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return unknown
