"""Counts of rows, and samples of those that could not be parsed (Druid: RowIngestionMeters, ParseExceptionHandler)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from attrs import define, field, frozen

from nemeton.common.clock import Clock, SystemClock
from nemeton.common.errors import invalid_input

log = logging.getLogger(__name__)

UNLIMITED = 2**31 - 1
_LOGGED_PER_BATCH = 20


@define
class RowMeters:
    """Every record read is counted in exactly one of the first four. Written by one thread, read by any."""

    processed: int = 0
    processed_with_error: int = 0
    thrown_away: int = 0
    unparseable: int = 0
    processed_bytes: int = 0

    def totals(self) -> dict[str, int]:
        """As reports show them."""
        return {
            "processed": self.processed,
            "processedBytes": self.processed_bytes,
            "processedWithError": self.processed_with_error,
            "thrownAway": self.thrown_away,
            "unparseable": self.unparseable,
        }


@frozen(kw_only=True)
class ParseExceptionReport:
    """A sample: the record, what is wrong with it, and whether it was ingested all the same."""

    input: str | None
    error_type: str
    details: tuple[str, ...]
    time_of_exception_millis: int

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As reports show it."""
        return {
            "input": self.input,
            "errorType": self.error_type,
            "details": list(self.details),
            "timeOfExceptionMillis": self.time_of_exception_millis,
        }


@define
class ParseExceptionHandler:
    """Counts parse exceptions, keeps the last samples, and raises when there are more than allowed."""

    meters: RowMeters
    log_parse_exceptions: bool = False
    max_parse_exceptions: int = UNLIMITED
    max_saved: int = 0
    clock: Clock = field(factory=SystemClock)
    _saved: deque[ParseExceptionReport] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._saved = deque(maxlen=max(self.max_saved, 0))

    @property
    def wanted_samples(self) -> int:
        """How many samples of one batch are worth making."""
        return max(self.max_saved, _LOGGED_PER_BATCH if self.log_parse_exceptions else 0)

    def unparseable(self, record: str | None, message: str) -> None:
        """See :class:`nemeton.spi.ingest.ParseProblems`."""
        self.unparseable_many(1, [(record, message)])

    def unparseable_many(self, count: int, samples: Sequence[tuple[str | None, str]]) -> None:
        """See :class:`nemeton.spi.ingest.ParseProblems`."""
        self.meters.unparseable += count
        self._note("unparseable", [(record, (message,)) for record, message in samples])

    def partly_valid(self, count: int, samples: Sequence[tuple[str | None, Sequence[str]]]) -> None:
        """Rows that are ingested with nulls in place of what could not be read."""
        self.meters.processed_with_error += count
        self._note("processedWithError", samples)

    def saved_reports(self) -> list[dict[str, Any]] | None:
        """The samples, latest first; None when none are to be saved."""
        return [report.to_json() for report in reversed(self._saved)] if self.max_saved > 0 else None

    def _note(self, kind: str, samples: Sequence[tuple[str | None, Sequence[str]]]) -> None:
        for record, details in samples:
            if self.log_parse_exceptions:
                log.error("Encountered parse exception (%s): %s; record: %s", kind, "; ".join(details), record)
            self._saved.append(
                ParseExceptionReport(
                    input=record, error_type=kind, details=tuple(details), time_of_exception_millis=self.clock.now()
                )
            )
        if self.meters.unparseable + self.meters.processed_with_error > self.max_parse_exceptions:
            raise invalid_input(f"Max parse exceptions[{self.max_parse_exceptions}] exceeded")
