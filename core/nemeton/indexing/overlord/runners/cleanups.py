"""What is done for workers that have been gone for too long."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nemeton.common.scheduling import Scheduled, ScheduledExecutor
from nemeton.emitter import ServiceEmitter


class WorkerCleanups:
    """At most one scheduled clean-up for each worker; a new one takes the place of the former. Thread-safe."""

    def __init__(self, executor: ScheduledExecutor, emitter: ServiceEmitter) -> None:
        self._executor = executor
        self._emitter = emitter
        self._lock = threading.Lock()
        self._scheduled: dict[str, Scheduled] = {}

    def schedule(self, host: str, delay_s: float, clean_up: Callable[[], object]) -> None:
        """Call ``clean_up`` after so many seconds, unless it is cancelled."""

        def run() -> None:
            with self._lock:
                if self._scheduled.get(host) is not scheduled:
                    return
            try:
                clean_up()
            except Exception as error:  # noqa: BLE001 - told to the operators; other workers are cleaned up as well
                self._emitter.alert("Exception while cleaning up worker", data={"worker": host}, exception=error)
            finally:
                with self._lock:
                    if self._scheduled.get(host) is scheduled:
                        del self._scheduled[host]

        with self._lock:
            self._cancel(host)
            scheduled = self._executor.schedule(run, delay_s)
            self._scheduled[host] = scheduled

    def cancel(self, host: str) -> bool:
        """The worker is back; whether a clean-up was scheduled."""
        with self._lock:
            return self._cancel(host)

    def _cancel(self, host: str) -> bool:
        scheduled = self._scheduled.pop(host, None)
        if scheduled is not None:
            scheduled.cancel()
        return scheduled is not None

    def close(self) -> None:
        """Clean up nothing any more."""
        self._executor.shutdown()

    @property
    def hosts(self) -> set[str]:
        """The workers that wait for their clean-up."""
        with self._lock:
            return set(self._scheduled)
