"""Errors of the segment reader and writer, in Druid's error shape."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from nemeton.common.errors import DruidException, invalid_input, unsupported

log = logging.getLogger(__name__)


class CorruptSegment(DruidException):
    """Segment bytes that cannot be right: which part, what about it, and of which segment once that is known."""

    def __init__(self, part: str, problem: str, segment_id: str | None = None) -> None:
        """``part`` names the file and structure."""
        where = {"part": part} if segment_id is None else {"part": part, "segmentId": segment_id}
        super().__init__(
            f"Segment {'' if segment_id is None else f'[{segment_id}] '}is corrupt in [{part}]: {problem}",
            error_code="runtimeFailure",
            persona="OPERATOR",
            category="RUNTIME_FAILURE",
            context=where,
        )
        self.part = part
        self.problem = problem
        self.segment_id = segment_id


def corrupt(part: str, problem: str) -> CorruptSegment:
    """Return the error for segment bytes that cannot be right.

    `part` names the file and structure (``"carrier: dictionary"``), so that an operator knows what is damaged. Whoever
    opened the segment should quarantine it and fetch it again: the damage does not go away by retrying.
    """
    return CorruptSegment(part, problem)


@contextmanager
def naming_part(part: str, *failures: type[Exception]) -> Iterator[None]:
    """While values of a segment are read: what their reader raises for bad bytes becomes damage of that part.

    For readers that do not know where their bytes come from, such as those of sketches: ``"users: sketches"``.
    """
    try:
        yield
    except failures as failure:
        raise corrupt(part, str(getattr(failure, "message", failure))) from failure


@contextmanager
def naming_segment(segment_id: str | None) -> Iterator[None]:
    """While a segment is read: damage is logged, and its error says which segment it is in."""
    try:
        yield
    except CorruptSegment as failure:
        if segment_id is None or failure.segment_id is not None:
            raise
        named = CorruptSegment(failure.part, failure.problem, segment_id)
        log.error("%s", named.message)
        raise named from failure


def unsupported_column(name: str, type_name: str) -> DruidException:
    """Return the error for touching a column of a kind that this version does not read."""
    return unsupported(f"Column [{name}] of type [{type_name}] is not supported yet", column=name, type=type_name)


def bad_column(name: str, problem: str) -> DruidException:
    """Return the error for column data that a writer was given and that cannot be written."""
    return invalid_input(f"Cannot write column [{name}]: {problem}", column=name)
