"""What a query's segments are cut into for the threads that read them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve, frozen

from nemeton.dataserver.segments import ReferenceCountedSegment
from nemeton.model import SegmentDescriptor

_SHARE_ROWS = 50_000
_SHARE_SEGMENTS = 64
_PART_ROWS = 200_000


@frozen
class Part:
    """A segment, or (with `rows`: the first and the one after the last) a part of its rows."""

    found: ReferenceCountedSegment
    descriptor: SegmentDescriptor
    rows: tuple[int, int] | None = None


def shares(acquired: Iterable[Part]) -> Iterator[list[Part]]:
    """What threads take at a time: a segment, or several small ones, for which handing over would cost the most.

    Tombstones, which have nothing to read, are left out.
    """
    share: list[Part] = []
    rows = 0
    for part in acquired:
        if part.found.segment is None:
            continue
        share.append(part)
        rows += part.found.segment.num_rows
        if rows >= _SHARE_ROWS or len(share) >= _SHARE_SEGMENTS:
            yield share
            share, rows = [], 0
    if share:
        yield share


def evened(given: Sequence[list[Part]], threads: int) -> list[list[Part]]:
    """The shares, the last ones divided where their number leaves threads without work while others still read.

    Seven of about the same size are six and two halves for two threads. Too small ones stay whole.
    """
    over = len(given) % threads
    if not over:
        return list(given)
    parts = threads // math.gcd(over, threads)
    whole = len(given) - over
    return [*given[:whole], *(part for share in given[whole:] for part in _divided(share, parts))]


def _divided(share: list[Part], parts: int) -> list[list[Part]]:
    segment = share[0].found.segment
    if len(share) > 1 or segment is None:
        return [share]
    rows = segment.num_rows
    parts = min(parts, rows // _PART_ROWS)
    if parts < 2:
        return [share]
    ends = [rows * at // parts for at in range(parts + 1)]
    return [[evolve(share[0], rows=(start, stop))] for start, stop in itertools.pairwise(ends)]
