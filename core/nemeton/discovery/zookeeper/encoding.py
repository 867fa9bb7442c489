"""What nodes hold: gzip or plain, as ZooKeeper's readers in Druid take both for most paths."""

from __future__ import annotations

import gzip
import zlib

_MAGIC = b"\x1f\x8b"


def compress(data: bytes) -> bytes:
    """Gzip, the same for the same data."""
    return gzip.compress(data, mtime=0)


def decompress(data: bytes) -> bytes:
    """What was compressed, or the data when they do not look like gzip. Raises ValueError for broken gzip."""
    if not data.startswith(_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"broken gzip data: {error}") from error
