"""Time zones as tables of transitions, on int64 milliseconds, for single instants and for numpy arrays alike."""

from __future__ import annotations

import bisect
import datetime
import functools
import re
import zoneinfo
from typing import TYPE_CHECKING, Any

from nemeton.common.errors import invalid_input

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FIXED = re.compile(r"(?:UTC|GMT|Z)?([+-])(\d{1,2})(?::?(\d{2}))?")
_FIRST_YEAR, _LAST_YEAR = 1800, 2400
_DAY_S = 86_400
_DAY_MS = 86_400_000


class Zone:
    """A time zone: its name and, ascending, the instants from which each offset holds.

    Offsets are in milliseconds east of UTC. Immutable; made by `zone`.
    """

    def __init__(self, name: str, starts: list[int], offsets: list[int]) -> None:
        """``offsets[0]`` holds before ``starts[0]``; hence one more offset than starts."""
        self.name = name
        self._starts = starts
        self._offsets = offsets
        self._arrays: tuple[Any, Any] | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether one offset holds for ever."""
        return not self._starts

    def offset(self, ms: int) -> int:
        """The offset at an instant."""
        return self._offsets[bisect.bisect_right(self._starts, ms)]

    def to_local(self, ms: int) -> int:
        """What a wall clock shows at the instant, as milliseconds."""
        return ms + self.offset(ms)

    def to_utc(self, local: int, near: int | None = None) -> int:
        """The instant at which a wall clock shows ``local``.

        In an overlap the instant with the offset of ``near`` is taken, without one the earlier. In a gap the local time
        is read with the offset before the gap, and so moves forward by the gap's length.
        """
        if not self._starts:
            return local - self._offsets[0]
        before = self.offset(local - _DAY_MS)
        for offset in ([] if near is None else [self.offset(near)]) + [before, self.offset(local + _DAY_MS)]:
            if self.offset(local - offset) == offset:
                return local - offset
        return local - before

    def to_local_array(self, ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """`to_local` of each."""
        import numpy as np

        if not self._starts:
            return ms + np.int64(self._offsets[0])
        return ms + self._offsets_at(ms)

    def to_utc_array(self, local: NDArray[np.int64], near: NDArray[np.int64]) -> NDArray[np.int64]:
        """`to_utc` of each."""
        import numpy as np

        if not self._starts:
            return local - np.int64(self._offsets[0])
        before = self._offsets_at(local - _DAY_MS)
        out = local - before
        # the later choice overwrites the earlier one, hence worst first
        for offset in (self._offsets_at(local + _DAY_MS), before, self._offsets_at(near)):
            utc = local - offset
            fits = self._offsets_at(utc) == offset
            out[fits] = utc[fits]
        return out

    def _offsets_at(self, ms: NDArray[np.int64]) -> NDArray[np.int64]:
        import numpy as np

        starts, offsets = self._numpy()
        return np.asarray(offsets[np.searchsorted(starts, ms, side="right")])

    def _numpy(self) -> tuple[Any, Any]:
        import numpy as np

        if self._arrays is None:
            self._arrays = (np.array(self._starts, dtype=np.int64), np.array(self._offsets, dtype=np.int64))
        return self._arrays

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Zone) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


@functools.lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    """The time zone of that name: an id of the IANA database, or an offset like ``+05:30``. Raises invalid_input."""
    if name in ("UTC", "Etc/UTC", "Z", "GMT", "Etc/GMT", "UCT", "Zulu"):
        return Zone("UTC", [], [0])
    fixed = _FIXED.fullmatch(name)
    if fixed is not None:
        offset = (int(fixed[2]) * 60 + int(fixed[3] or 0)) * 60_000 * (-1 if fixed[1] == "-" else 1)
        return Zone(f"{fixed[1]}{int(fixed[2]):02d}:{fixed[3] or '00'}", [], [offset])
    try:
        info = zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise invalid_input(f"The datetime zone id '{name}' is not recognised") from None
    return Zone(name, *_transitions(info))


def _transitions(info: zoneinfo.ZoneInfo) -> tuple[list[int], list[int]]:
    """All changes of the offset from 1800 to 2400: looked at weekly, then found to the second by halving."""
    utc = datetime.UTC

    def offset_at(second: int) -> int:
        at = datetime.datetime(1970, 1, 1, tzinfo=utc) + datetime.timedelta(seconds=second)
        delta = at.astimezone(info).utcoffset()
        assert delta is not None
        return int(delta.total_seconds()) * 1000

    starts: list[int] = []
    step = 7 * _DAY_S
    low = (_FIRST_YEAR - 1970) * 365 * _DAY_S
    end = (_LAST_YEAR - 1970) * 365 * _DAY_S
    offsets = [offset_at(low)]
    while low < end:
        high = low + step
        if offset_at(high) != offsets[-1]:
            left, right = low, high
            while right - left > 1:
                middle = (left + right) // 2
                if offset_at(middle) == offsets[-1]:
                    left = middle
                else:
                    right = middle
            starts.append(right * 1000)
            offsets.append(offset_at(right))
            high = right
        low = high
    return starts, offsets
