"""Closing what may or may not be closed: generators can, other iterators cannot."""

from __future__ import annotations


def close_if_possible(thing: object) -> None:
    """Call its ``close``, where it has one."""
    close = getattr(thing, "close", None)
    if close is not None:
        close()
