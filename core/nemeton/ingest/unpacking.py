"""What the readers of packed input share."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any, BinaryIO


class UnpackingReader(io.RawIOBase):
    """The bytes of one piece after another. Closing it closes what it reads from, too."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._piece = memoryview(b"")

    @abstractmethod
    def _next_piece(self) -> bytes | None:
        """The next bytes, perhaps none yet; None at the end."""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Up to one piece, nothing at the end."""
        while not self._piece:
            piece = self._next_piece()
            if piece is None:
                return 0
            self._piece = memoryview(piece)
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def close(self) -> None:
        """Close both."""
        self._source.close()
        super().close()
