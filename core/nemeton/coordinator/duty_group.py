"""Duties that run one after the other, again and again, while this node leads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from attrs import field, frozen

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.emitter.service import ServiceEmitter
from nemeton.spi.coordinator import CoordinatorDuty, CoordinatorRunParams
from nemeton.time import Period, format_datetime

log = logging.getLogger(__name__)


@frozen
class DutyGroupStatus:
    """What ``/druid/coordinator/v1/duties`` shows of a group; times in milliseconds since the epoch."""

    name: str
    period: str
    duty_names: list[str] = field(factory=list)
    last_run_start: str | None = None
    last_run_end: str | None = None
    avg_runtime_millis: int = 0
    avg_run_gap_millis: int = 0


class DutyGroup:
    """A list of duties with a period and a thread of its own, for one term of leadership.

    A run is made at a fixed rate, and once more soon after `nudge`. It begins only if ``still_leads`` says that the
    term of the group's making goes on; when it does not, the group ends for good.
    """

    def __init__(
        self,
        name: str,
        duties: Sequence[CoordinatorDuty],
        period: Period,
        *,
        make_params: Callable[[], CoordinatorRunParams | None],
        still_leads: Callable[[], bool],
        emitter: ServiceEmitter,
        clock: Clock,
    ) -> None:
        """``make_params`` gives None while a run makes no sense yet."""
        self.name = name
        self.duties = list(duties)
        self.period = period
        self._make_params = make_params
        self._still_leads = still_leads
        self._emitter = emitter
        self._clock = clock
        self._executor = ScheduledExecutor(f"duties-{name}", clock)
        self._nudged = threading.Event()
        self._ended = False
        self._runs = 0
        self._runtime_ms = 0
        self._gaps_ms = 0
        self._last_start: int | None = None
        self._last_end: int | None = None

    def start(self, delay: Period) -> None:
        """Schedule the runs, the first after the delay."""
        self._next_due = self._clock.monotonic() + delay.to_seconds()
        self._executor.schedule(self._scheduled, delay.to_seconds())

    def stop(self) -> None:
        """End; a run that goes on is waited for, within a bound."""
        self._ended = True
        self._executor.shutdown()

    def nudge(self) -> None:
        """Run soon: nudges until then make one run."""
        if self._ended or self._nudged.is_set():
            return
        self._nudged.set()
        if not self._executor.schedule_if_running(self._nudged_run, 0.0):
            log.debug("%s is shut down, not nudged", self.name)

    def _scheduled(self) -> None:
        if not self._goes_on():
            return
        self._run()
        if not self._goes_on():
            return
        # a fixed rate: late runs do not shift the following ones, and missed ones are left out
        period = max(self.period.to_seconds(), 0.05)
        now = self._clock.monotonic()
        self._next_due += period * max(1, -(-(now - self._next_due) // period))
        self._executor.schedule(self._scheduled, max(0.0, self._next_due - now))

    def _nudged_run(self) -> None:
        self._nudged.clear()
        if self._goes_on():
            self._run()

    def _goes_on(self) -> bool:
        if not self._ended and not self._still_leads():
            log.info("%s ends: this node leads no more, or in another term", self.name)
            self._ended = True
        return not self._ended

    def _run(self) -> None:
        started = self._clock.now()
        if self._last_start is not None:
            self._gaps_ms += started - self._last_start
        self._last_start = started
        try:
            params = self._make_params()
            if params is not None:
                self._run_duties(params)
        except Exception as failure:
            log.exception("A run of %s failed", self.name)
            self._emitter.alert(f"A run of {self.name} failed", exception=failure)
        self._last_end = self._clock.now()
        self._runs += 1
        self._runtime_ms += self._last_end - started
        self._emitter.emit_metric("coordinator/global/time", self._last_end - started, dutyGroup=self.name)

    def _run_duties(self, params: CoordinatorRunParams) -> None:
        for duty in self.duties:
            started = self._clock.monotonic()
            duty.run(params)
            millis = (self._clock.monotonic() - started) * 1000
            self._emitter.emit_metric("coordinator/time", millis, duty=type(duty).__name__, dutyGroup=self.name)

    def status(self) -> DutyGroupStatus:
        """What the duties are and how the runs went, as ``/druid/coordinator/v1/duties`` answers it."""
        return DutyGroupStatus(
            self.name,
            str(self.period),
            [type(duty).__name__ for duty in self.duties],
            _text(self._last_start),
            _text(self._last_end),
            self._runtime_ms // max(1, self._runs),
            self._gaps_ms // max(1, self._runs - 1),
        )


def _text(millis: int | None) -> Any:
    return None if millis is None else format_datetime(millis)
