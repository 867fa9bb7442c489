"""``OverlordDutyExecutor``: runs the duties while this Overlord leads."""

from __future__ import annotations

import logging
import threading

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.overlord.master import TaskMasterMember
from nemeton.inject import Injector
from nemeton.plugins import TypeRegistry
from nemeton.spi.duties import OverlordDuty

log = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 5.0


class OverlordDutyExecutor(TaskMasterMember):
    """Member of the task-master lifecycle: `start` with the leadership, `stop` with its end; again and again.

    The duties come from the hook ``overlord_duties``. They are made at the first start; one that cannot be made, or
    cannot say when it runs, is an alert and no obstacle to the others. All run on one thread.
    """

    def __init__(self, registry: TypeRegistry, injector: Injector, emitter: ServiceEmitter, clock: Clock) -> None:
        self._registry = registry
        self._injector = injector
        self._emitter = emitter
        self._clock = clock
        self._lock = threading.Lock()
        self._duties: dict[str, OverlordDuty] = {}
        self._executor: ScheduledExecutor | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Schedule the duties that are enabled."""
        with self._lock:
            if self._executor is not None:
                return
            self._executor = executor = ScheduledExecutor("overlord-duties", self._clock)
            self._stopped = stopped = threading.Event()
            for name in self._registry.names(OverlordDuty):
                try:
                    self._schedule(name, executor, stopped)
                except Exception as failure:  # noqa: BLE001 - an extension's duty must not cost the leadership
                    self._emitter.alert(f"The Overlord duty [{name}] cannot be scheduled", exception=failure)

    def stop(self) -> None:
        """Tell a running duty that it is over, and wait for its end, within a bound."""
        with self._lock:
            executor, self._executor = self._executor, None
            self._stopped.set()
        if executor is not None:
            executor.shutdown(_STOP_TIMEOUT_S)

    def _schedule(self, name: str, executor: ScheduledExecutor, stopped: threading.Event) -> None:
        if name not in self._duties:
            self._duties[name] = self._injector.create(self._registry.get(OverlordDuty, name))  # type: ignore[type-abstract]
        duty = self._duties[name]
        if not duty.is_enabled:
            log.info("The Overlord duty [%s] is not enabled", name)
            return
        schedule = duty.schedule

        def run() -> None:
            if stopped.is_set():
                return
            log.info("The Overlord duty [%s] runs", name)
            try:
                duty.run(stopped)
            except Exception:
                log.exception("The Overlord duty [%s] failed; again in %.0f s", name, schedule.period_s)

        executor.schedule_with_fixed_delay(run, schedule.initial_delay_s, schedule.period_s)
        log.info("The Overlord duty [%s] is scheduled: %s", name, schedule)
