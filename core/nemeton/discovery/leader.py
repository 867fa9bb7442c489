"""Being a candidate: what a leader selector does with the comings and goings of leadership, whatever the latch."""

from __future__ import annotations

import abc
import logging
import random
import threading
from collections.abc import Callable

from nemeton.common.clock import Clock, SystemClock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.emitter import ServiceEmitter
from nemeton.spi.discovery import DruidLeaderSelector, LeaderListener

log = logging.getLogger(__name__)

_MIN_PAUSE_S = 1.0
_MAX_PAUSE_S = 5.0


class LeaderLatch(abc.ABC):
    """One candidacy: entered once, closed once. What differs between kinds of leader selection. Thread-safe."""

    @abc.abstractmethod
    def start(self, gained: Callable[[], None], lost: Callable[[], None]) -> None:
        """Enter the election. The functions are quick and may be called from any thread, not after `close`."""

    def take_office(self) -> None:  # noqa: B027 - most have nowhere to note it
        """Note where it must be known that this candidacy leads, before its participant acts as leader.

        Called on the listener's thread, and may wait. Whatever it raises ends the candidacy.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Leave the election, giving up the leadership; without a call of `lost`."""

    @abc.abstractmethod
    def has_leadership(self) -> bool:
        """Whether this candidacy leads, as far as can be known now; False once a lease or session is over."""

    @abc.abstractmethod
    def leader_id(self) -> str | None:
        """The id of the leading participant; also before `start` and after `close`."""


class LatchLeaderSelector(DruidLeaderSelector):
    """Druid's leader selector on any `LeaderLatch`. Listener calls run one at a time on a thread of its own.

    After losing the leadership, and after a listener's failing to take it, the candidacy ends, and a new one begins
    after a random pause of 1 to 5 seconds.
    """

    def __init__(
        self,
        name: str,
        make_latch: Callable[[], LeaderLatch],
        *,
        clock: Clock | None = None,
        emitter: ServiceEmitter | None = None,
        randomness: random.Random | None = None,
    ) -> None:
        self._name = name
        self._make_latch = make_latch
        self._clock = clock or SystemClock()
        self._emitter = emitter or ServiceEmitter()
        self._random = randomness or random.Random()
        self._lock = threading.Lock()
        self._latch = make_latch()
        self._listener: LeaderListener | None = None
        self._executor: ScheduledExecutor | None = None
        self._unregistered = threading.Event()
        self._leader = False
        self._term = 0

    def get_current_leader(self) -> str | None:
        """The id of the leading participant, or None."""
        return self._latch.leader_id()

    def is_leader(self) -> bool:
        """Whether this participant leads: it was told so, and nothing says that it is over."""
        return self._leader and self._latch.has_leadership()

    def local_term(self) -> int:
        """How many times this participant has become leader."""
        return self._term

    def register_listener(self, listener: LeaderListener) -> None:
        """Enter the election."""
        if listener is None:
            raise ValueError("A leader selector needs a listener")
        with self._lock:
            if self._listener is not None:
                raise ValueError(f"Leader selector [{self._name}] has a listener already")
            self._listener = listener
            self._executor = ScheduledExecutor(f"LeaderSelector[{self._name}]", self._clock)
        self._start(self._latch)

    def unregister_listener(self) -> None:
        """Leave the election; the listener is not called any more, not even to stop: its owner stops it."""
        with self._lock:
            if self._listener is None or self._unregistered.is_set():
                raise ValueError(f"Leader selector [{self._name}] has no listener")
            self._unregistered.set()
            self._leader = False
        self._close(self._latch)
        assert self._executor is not None
        self._executor.shutdown(timeout_s=0.2)

    # ---- the candidacy

    def _start(self, latch: LeaderLatch) -> None:
        latch.start(lambda: self._soon(lambda: self._gained(latch)), lambda: self._soon(lambda: self._lost(latch)))

    def _soon(self, step: Callable[[], None]) -> None:
        assert self._executor is not None
        if not self._unregistered.is_set() and not self._executor.schedule_if_running(step, 0):
            log.debug("Leader selector [%s] is closed", self._name)

    def _gained(self, latch: LeaderLatch) -> None:
        assert self._listener is not None
        if latch is not self._latch or self._unregistered.is_set():
            return
        if self._leader:
            log.warning("[%s] is leader already; ignored", self._name)
            return
        if not latch.has_leadership():
            # lost before this thread came to it; the loss finds nothing to end, so a new candidacy starts here
            self._replace(latch)
            self._start_after_pause()
            return
        try:
            latch.take_office()
            with self._lock:
                if self._unregistered.is_set():  # while the office was taken; its owner wants to hear of nothing more
                    return
                self._leader = True
            self._term += 1
            self._listener.become_leader()
        except Exception as failure:  # noqa: BLE001 - whoever cannot lead must let others
            self._emitter.alert(f"[{self._name}]: becoming leader failed", exception=failure)
            self._replace(latch)
            self._leader = False
            self._start_after_pause()

    def _lost(self, latch: LeaderLatch) -> None:
        assert self._listener is not None
        if latch is not self._latch or self._unregistered.is_set():
            return
        if not self._leader:
            log.warning("[%s] is not leader; ignored", self._name)
            return
        self._leader = False
        self._replace(latch)
        try:
            self._listener.stop_being_leader()
        except Exception as failure:  # noqa: BLE001 - it leads no more, whether it likes it or not
            self._emitter.alert(f"[{self._name}]: stopping to be leader failed", exception=failure)
        self._start_after_pause()

    def _replace(self, latch: LeaderLatch) -> None:
        self._close(latch)
        with self._lock:
            if not self._unregistered.is_set():
                self._latch = self._make_latch()

    def _start_after_pause(self) -> None:
        pause = self._random.uniform(_MIN_PAUSE_S, _MAX_PAUSE_S)
        if self._clock.wait(self._unregistered, pause):
            return
        try:
            self._start(self._latch)
        except Exception as failure:  # noqa: BLE001 - nothing can be done but to tell
            self._emitter.alert(f"[{self._name}]: I am a zombie", exception=failure)

    def _close(self, latch: LeaderLatch) -> None:
        try:
            latch.close()
        except Exception as failure:  # noqa: BLE001 - a candidacy that cannot be closed ends by itself
            log.warning("Closing a candidacy for [%s] failed: %r", self._name, failure)
