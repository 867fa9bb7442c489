"""The lifecycle itself: stages, states, and the rules of joining."""

from __future__ import annotations

import contextlib
import enum
import logging
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from nemeton.lifecycle.handlers import Handler, ManagedHandler, StartCloseHandler, patience_of
from nemeton.lifecycle.signals import stop_on_signals

log = logging.getLogger(__name__)

T = TypeVar("T")


class Stage(enum.IntEnum):
    """When a part starts; earlier stages start first and stop last."""

    INIT = 0
    """Logging and whatever else all others need."""
    NORMAL = 1
    """Most parts: clients, connectors, managers."""
    SERVER = 2
    """The HTTP server: from here on requests are answered."""
    ANNOUNCEMENTS = 3
    """Telling the cluster; the first thing to be taken back at a stop."""


class State(enum.Enum):
    """Where in its life a lifecycle is; it never goes back."""

    NOT_STARTED = "not started"
    RUNNING = "running"
    STOPPED = "stopped"


class LifecycleError(RuntimeError):
    """A lifecycle was used against its rules, or some of its handlers failed to stop."""


class Lifecycle:
    """Starts handlers in stage order, then in the order in which they were added; stops them in reverse.

    Thread-safe. Handlers are added before the start, or while running through `add_and_start`. A failing start stops
    what had started and propagates; failures while stopping are collected into one `LifecycleError` with notes.
    """

    def __init__(self, name: str) -> None:
        if not name:
            raise ValueError("A lifecycle needs a name; it is what its log lines and errors are known by")
        self.name = name
        self._handlers: dict[Stage, list[Handler]] = {stage: [] for stage in Stage}
        self._started: list[Handler] = []
        self._reached: Stage | None = None
        self._state = State.NOT_STARTED
        self._lock = threading.RLock()
        self._stop_requested = threading.Event()
        self._stopped = threading.Event()

    @property
    def state(self) -> State:
        """The newest state, whichever thread asks."""
        return self._state

    def add_handler(self, handler: Handler, stage: Stage = Stage.NORMAL) -> None:
        """Add a handler before the start. Raises `LifecycleError` while starting or stopping, and afterwards."""
        with self._exclusively("add a handler"):
            if self._state is not State.NOT_STARTED:
                raise LifecycleError(
                    f"Cannot add {handler!r} to lifecycle [{self.name}], which is {self._state.value}: "
                    "use add_and_start for parts that come while it runs"
                )
            self._handlers[stage].append(handler)

    def add_start_close_instance(self, instance: T, stage: Stage = Stage.NORMAL) -> T:
        """Add an object with ``start()`` and ``close()``, and give it back; a missing method is a TypeError now."""
        self.add_handler(StartCloseHandler(instance), stage)
        return instance

    def add_managed_instance(self, instance: T, stage: Stage = Stage.NORMAL) -> T:
        """Add an object whose methods are marked with `lifecycle_start` and `lifecycle_stop`, and give it back."""
        self.add_handler(ManagedHandler(instance), stage)
        return instance

    def add_and_start(self, handler: Handler, stage: Stage = Stage.NORMAL) -> None:
        """Add a handler at any time before the stop, and start it at once if its stage has begun.

        This is the one way for a part to join a running lifecycle (Druid's ``addMaybeStartHandler``). It may be
        called by a handler that is itself being started, from the same thread.
        """
        with self._lock:
            if self._state is State.STOPPED or self._stop_requested.is_set():
                raise LifecycleError(f"Cannot add {handler!r} to lifecycle [{self.name}]: it is stopping or stopped")
            if self._reached is None or stage > self._reached:
                self._handlers[stage].append(handler)
                return
            handler.start()
            self._started.append(handler)

    def start(self) -> None:
        """Start all handlers. Raises what a handler raises, after stopping the handlers that had started."""
        with self._exclusively("start"):
            if self._state is State.RUNNING:
                raise LifecycleError(f"Already started: lifecycle [{self.name}]")
            if self._state is State.STOPPED or self._stop_requested.is_set():
                raise LifecycleError(f"stop() is called concurrently with start() of lifecycle [{self.name}]")
            self._state = State.RUNNING
            try:
                self._start_stages()
            except BaseException as failure:
                self._stop_after_failed_start(failure)
                raise

    def _start_stages(self) -> None:
        for stage in Stage:
            self._reached = stage
            log.debug("Starting lifecycle [%s] stage [%s]", self.name, stage.name)
            # handlers may be added to this very list while it is walked
            for handler in self._handlers[stage]:
                if self._stop_requested.is_set():
                    raise LifecycleError(f"stop() is called concurrently with start() of lifecycle [{self.name}]")
                handler.start()
                self._started.append(handler)
        log.debug("Lifecycle [%s] started", self.name)

    def _stop_after_failed_start(self, failure: BaseException) -> None:
        for also in self._stop_started():
            failure.add_note(f"and while stopping what had started: {also!r}")
        self._state = State.STOPPED
        self._stopped.set()

    def stop(self) -> None:
        """Stop all started handlers in reverse order; does nothing unless running. Collected failures are raised."""
        if self._state is State.NOT_STARTED:
            log.debug("Lifecycle [%s] was never started; nothing to stop", self.name)
            return
        self._stop_requested.set()
        with self._lock:
            if self._state is not State.RUNNING:
                log.debug("Lifecycle [%s] is %s; nothing to stop", self.name, self._state.value)
                return
            self._state = State.STOPPED
            failures = list(self._stop_started())
            self._stopped.set()
        if failures:
            error = LifecycleError(f"Lifecycle [{self.name}] stopped with {len(failures)} failure(s): {failures[0]!r}")
            for other in failures[1:]:
                error.add_note(f"also: {other!r}")
            raise error from failures[0]

    def _stop_started(self) -> Iterator[Exception]:
        while self._started:
            handler = self._started.pop()
            try:
                handler.stop()
            except Exception as failure:
                log.exception("Lifecycle [%s]: %r failed to stop", self.name, handler)
                yield failure

    def request_stop(self) -> None:
        """Let `join` return, so that the thread which joined stops the lifecycle. Safe from a signal handler."""
        self._stop_requested.set()

    def join(self, *, stop_within_s: float = 60.0, once_heard: Callable[[], None] | None = None) -> None:
        """Block until SIGTERM, SIGINT, `request_stop` or `stop`; then stop within the bound, or exit with status 1.

        `once_heard` is called when signals are heard already: for what is left to do after the start.

        Parts that need longer (`stop_patience_s`) make the bound longer by as much. Call it from the main thread if
        the signals are to be heard.
        """
        with stop_on_signals(self.request_stop):
            if once_heard is not None:
                once_heard()
            self._stop_requested.wait()
            bound_s = stop_within_s + self.stop_patience_s
            stopper = threading.Thread(target=self._stop_logging, name=f"stop-{self.name}", daemon=True)
            stopper.start()
            stopper.join(bound_s)
        if stopper.is_alive():
            raise LifecycleError(f"Lifecycle [{self.name}] did not stop within {bound_s:g} s; leaving it behind")

    @property
    def stop_patience_s(self) -> float:
        """Seconds that its parts may need for their stop beyond the usual, now."""
        return sum(patience_of(handler) for handler in list(self._started))

    def _stop_logging(self) -> None:
        try:
            self.stop()
        except LifecycleError:
            log.exception("Lifecycle [%s] did not stop cleanly", self.name)

    @contextlib.contextmanager
    def _exclusively(self, what: str) -> Iterator[None]:
        """Take the lock at once or refuse: nobody queues behind a start or a stop."""
        if not self._lock.acquire(blocking=False):
            raise LifecycleError(f"Cannot {what} in the process of lifecycle [{self.name}] starting or stopping")
        try:
            yield
        finally:
            self._lock.release()
