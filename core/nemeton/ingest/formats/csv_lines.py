"""Lines of CSV with quotes in them, as Druid reads them: each line is a record, whatever stands in quotes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_PIECE_BYTES = 1 << 18
_QUOTE, _COMMA, _LINE_END, _RETURN = b'",\n\r'


def is_regular(chunk: bytes) -> bool:
    """Whether quotes only stand around whole values of one line, and doubled within them.

    Then all readers of CSV agree on what the chunk says.
    """
    raw = np.frombuffer(chunk, dtype=np.uint8)
    quotes = _places(raw, _QUOTE)
    return _are_around_values(raw, quotes) and not (np.searchsorted(quotes, _places(raw, _LINE_END)) % 2).any()


def has_regular_quotes(chunk: bytes) -> bool:
    """Whether quotes only stand around whole values, and doubled within them; the values may go over several lines."""
    raw = np.frombuffer(chunk, dtype=np.uint8)
    return _are_around_values(raw, _places(raw, _QUOTE))


def _are_around_values(raw: NDArray[np.uint8], quotes: NDArray[np.intp]) -> bool:
    if len(quotes) % 2:
        return False
    before = raw[quotes[::2] - 1]
    if quotes[:1] == [0]:
        before[0] = _LINE_END
    opened = (before == _COMMA) | (before == _LINE_END) | (before == _QUOTE)
    following = np.append(raw, np.uint8(_LINE_END))[quotes[1::2] + 1]
    closed = (following == _COMMA) | (following == _LINE_END) | (following == _RETURN) | (following == _QUOTE)
    return bool(opened.all() and closed.all())


def _places(raw: NDArray[np.uint8], byte: int) -> NDArray[np.intp]:
    """Where a byte stands; a piece at a time, which stays in the processor's cache."""
    pieces = range(0, len(raw), _PIECE_BYTES)
    found = [np.flatnonzero(raw[at : at + _PIECE_BYTES] == byte) + at for at in pieces]
    return np.concatenate(found) if found else np.empty(0, dtype=np.intp)


def values_of(line: str) -> list[str | None]:
    """The values of one line; None for one that is empty and not in quotes."""
    if '"' not in line:
        return [value or None for value in line.split(",")]
    return [_unquoted(value) for value in _parts(line)]


def _parts(line: str) -> Iterator[str]:
    at = 0
    while at <= len(line):
        end = _end_of_quoted(line, at) if line.startswith('"', at) else line.find(",", at)
        end = len(line) if end < 0 else end
        yield line[at:end]
        at = end + 1


def _end_of_quoted(line: str, start: int) -> int:
    """Where the value ends whose quote opens at `start`: the next comma behind a quote that makes their number even."""
    at, is_open = start, True
    while (at := line.find('"', at + 1)) >= 0:
        is_open = not is_open
        if not is_open and line.startswith(",", at + 1):
            return at + 1
    return len(line)


def _unquoted(value: str) -> str | None:
    """What the value is: without the quotes around it, if it opens with one and has a second; doubled ones are one."""
    if not value:
        return None
    if value.startswith('"') and value.count('"') > 1:
        value = value[1:].removesuffix('"')
    return value.replace('""', '"')
