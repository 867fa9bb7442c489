"""Partial answers as blocks of bytes, between a Broker and data servers that are both nemeton's.

Druid's forms, JSON and Smile, are for Java on either side. A Broker of nemeton accepts this one too, and a data server
of nemeton then sends it: each block behind its length in four bytes, big-endian, and a length of 0 at the end. What is
in the blocks is the matter of the query type (`QueryToolChest.to_blocks`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nemeton.common.errors import QueryException

BLOCKS = "application/x-nemeton-blocks-1"
"""The media type; its number changes with the form, so that servers of two versions understand each other as JSON."""
_MOST_BYTES = 1 << 31


def framed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The body of an answer: a piece for each block, and one at the end."""
    for block in blocks:
        yield len(block).to_bytes(4, "big") + block
    yield bytes(4)


def blocks_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The blocks of a body that may still arrive. Raises `QueryException` for a body that is none, or has no end."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        at = 0
        while len(held) - at >= 4:
            size = int.from_bytes(held[at : at + 4], "big")
            if size == 0:
                return
            if size > _MOST_BYTES:
                raise QueryException(QueryException.UNKNOWN, "A data server sent what is no blocks of rows")
            if len(held) - at - 4 < size:
                break
            yield bytes(held[at + 4 : at + 4 + size])
            at += 4 + size
        del held[:at]
    raise QueryException(QueryException.UNKNOWN, "The blocks of rows of a data server broke off")
