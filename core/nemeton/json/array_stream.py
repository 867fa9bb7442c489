"""The members of a long JSON array one by one, while its text arrives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nemeton.json.errors import JsonError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_QUOTE, _BACKSLASH = 0x22, 0x5C
_STRUCTURE = b"[]{},"
_STEPS = {0x5B: 1, 0x7B: 1, 0x5D: -1, 0x7D: -1}


def array_members(chunks: Iterable[bytes]) -> Iterator[Any]:
    """The decoded members of the array that the chunks are the text of.

    Holds one member, and those of one chunk, at a time.

    Raises `JsonError` for what is no array, or ends before its end.
    """
    import msgspec

    splitter = _Splitter()
    for chunk in chunks:
        texts = list(splitter.feed(chunk))
        if not texts:
            continue
        try:  # together, which is much faster for short ones
            members = msgspec.json.decode(b"[" + b",".join(texts) + b"]")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
            raise JsonError(f"it is malformed: {failure}") from failure
        yield from members
    if not splitter.is_done:
        raise JsonError("it ends before the end of its array")


class _Splitter:
    """Where members end: at commas, and at the closing bracket, on the array's own level and outside strings."""

    def __init__(self) -> None:
        self.is_done = False
        self._depth = 0
        self._in_string = False
        self._backslashes = 0
        self._rest: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The texts of the members that end in this chunk."""
        if not self._depth and not self.is_done:
            chunk = self._opened(chunk)
        if not chunk or self.is_done:
            return
        start = 0
        for end in self._ends(chunk):
            self._rest.append(chunk[start:end])
            text = b"".join(self._rest)
            self._rest.clear()
            start = end + 1
            if text.strip():
                yield text
        if not self.is_done:
            self._rest.append(chunk[start:])

    def _opened(self, chunk: bytes) -> bytes:
        """What follows the opening bracket."""
        chunk = chunk.lstrip()
        if chunk and chunk[:1] != b"[":
            raise JsonError("it is no array")
        self._depth = 1 if chunk else 0
        return chunk[1:]

    def _ends(self, chunk: bytes) -> list[int]:
        import numpy as np

        data = np.frombuffer(chunk, dtype=np.uint8)
        quotes = self._quotes(chunk, np.flatnonzero(data == _QUOTE))
        places = np.flatnonzero(np.isin(data, list(_STRUCTURE)))
        outside = (np.searchsorted(quotes, places) + self._in_string) % 2 == 0
        places = places[outside]
        steps = np.zeros(256, dtype=np.int64)
        for byte, step in _STEPS.items():
            steps[byte] = step
        depths = self._depth + np.cumsum(steps[data[places]])
        closing = np.flatnonzero(depths == 0)
        if len(closing):
            places, depths = places[: closing[0] + 1], depths[: closing[0] + 1]
            self.is_done = True
        commas = (depths == 1) & (data[places] == ord(","))
        self._depth = int(depths[-1]) if len(depths) else self._depth
        self._in_string = bool((len(quotes) + self._in_string) % 2)
        self._backslashes = _trailing(chunk, len(chunk), self._backslashes)
        ends: list[int] = places[commas | (depths == 0)].tolist()
        return ends

    def _quotes(self, chunk: bytes, places: Array) -> Array:
        """The quotes that begin or end a string: those after an odd number of backslashes are part of one."""
        import numpy as np

        if b"\\" not in chunk and not self._backslashes:
            return places
        real = [place for place in places.tolist() if _trailing(chunk, place, self._backslashes) % 2 == 0]
        return np.array(real, dtype=np.int64)


def _trailing(chunk: bytes, end: int, before: int) -> int:
    """How many backslashes stand directly before the place, ``before`` of them in front of the chunk."""
    at = end
    while at and chunk[at - 1] == _BACKSLASH:
        at -= 1
    return end - at + (before if at == 0 else 0)
