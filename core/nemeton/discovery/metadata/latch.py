"""One candidacy for a lease: it is taken when it is free, renewed while it is held, and over when its time is."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeGuard

from sqlalchemy import Connection

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.leader import LeaderLatch
from nemeton.discovery.metadata.config import RENEWALS, MetadataDiscoveryConfig
from nemeton.discovery.metadata.leases import Lease, Leases
from nemeton.metadata.fence import Check, LastLook, LeadershipLostError, no_last_look

log = logging.getLogger(__name__)

_CLOSE_WITHIN_S = 5.0


def _is_in_time(lease: Lease | None, clock: Clock) -> TypeGuard[Lease]:
    """Whether there is a lease, and its time is not over by this process's clock."""
    return lease is not None and clock.monotonic() < lease.deadline


class Leadership:
    """The lease that a participant holds now, over all of its candidacies: what its writes are measured by."""

    def __init__(self, service: str, leases: Leases, clock: Clock) -> None:
        self._service = service
        self._leases = leases
        self._clock = clock
        self.lease: Lease | None = None
        self._candidacies = 0

    def is_first_candidacy(self) -> bool:
        """Whether this is asked for the first time."""
        self._candidacies += 1
        return self._candidacies == 1

    def put_up_gate(self) -> None:
        """From now on let nobody write in the service's name, in this role, without the lease."""
        self._leases.fence.put_up(self._service, self._gate)

    def is_held(self) -> bool:
        """Whether there is a lease, and its time is not over by this process's clock."""
        return _is_in_time(self.lease, self._clock)

    def _gate(self) -> Check:
        """See `LeadershipFence.put_up`. What counts is the term; a renewal in between does no harm."""
        lease = self.lease
        if not _is_in_time(lease, self._clock):
            raise LeadershipLostError(self._service)
        term = lease.term

        def check(connection: Connection) -> LastLook:
            current = self.lease
            if current is None or current.term != term:
                raise LeadershipLostError(self._service)
            self._leases.verify(connection, current)
            return no_last_look

        return check


class LeaderView:
    """Who leads, not older than the poll period; asks the store when somebody asks. Thread-safe."""

    def __init__(self, service: str, leases: Leases, config: MetadataDiscoveryConfig, clock: Clock) -> None:
        self._service = service
        self._leases = leases
        self._period_s = config.poll_s
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: str | None = None
        self._seen_at: float | None = None

    def leader_id(self) -> str | None:
        """The id of who leads; None when nobody does, or the store does not answer."""
        if self._is_fresh() or not self._lock.acquire(timeout=_CLOSE_WITHIN_S):
            return self._seen
        try:
            if not self._is_fresh():
                self._seen = self._ask()
                self._seen_at = self._clock.monotonic()
        finally:
            self._lock.release()
        return self._seen

    def forget(self) -> None:
        """Ask the store the next time: something has just changed."""
        self._seen_at = None

    def _is_fresh(self) -> bool:
        seen_at = self._seen_at
        return seen_at is not None and self._clock.monotonic() < seen_at + self._period_s

    def _ask(self) -> str | None:
        try:
            return self._leases.holder(self._service)
        except Exception as failure:  # noqa: BLE001 - whatever the store's driver raises
            log.warning("The store does not say who leads [%s]: %r", self._service, failure)
            return None


class LeaseLatch(LeaderLatch):
    """See the module. Two threads: one asks the store, which may hang; the other ends the leadership in time."""

    def __init__(
        self,
        service: str,
        participant: str,
        leases: Leases,
        leadership: Leadership,
        view: LeaderView,
        config: MetadataDiscoveryConfig,
        clock: Clock,
    ) -> None:
        self._service = service
        self._participant = participant
        self._leases = leases
        self._leadership = leadership
        self._view = view
        self._config = config
        self._clock = clock
        self._random = random.Random()
        self._asking = ScheduledExecutor(f"lease[{service}]", clock)
        self._watching = ScheduledExecutor(f"lease-watch[{service}]", clock)
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._over = False  # led, and does no more: a candidacy leads once
        self._closed = False
        self._left = threading.Event()

    # ---- LeaderLatch

    def start(self, gained: Callable[[], None], lost: Callable[[], None]) -> None:
        """Begin to try; the store need not answer yet."""
        self._gained, self._lost = gained, lost
        self._leadership.put_up_gate()
        # whoever has lost it, or could not make use of it, lets the others look first
        self._later(self._asking, self._step, 0 if self._leadership.is_first_candidacy() else 2 * self._config.poll_s)

    def close(self) -> None:
        """End the candidacy, and give the lease back if it is held and the store answers soon."""
        with self._lock:
            self._closed = True
            lease, self._lease = self._lease, None
            self._leadership.lease = None
        if _is_in_time(lease, self._clock):
            self._later(self._asking, partial(self._give_back, lease), 0)
            self._clock.wait(self._left, _CLOSE_WITHIN_S)
        self._view.forget()
        self._watching.shutdown(timeout_s=0.2)
        self._asking.shutdown(timeout_s=0.2)

    def has_leadership(self) -> bool:
        """Whether it holds the lease, and the time until the last renewal's end is not over."""
        return _is_in_time(self._lease, self._clock)

    def leader_id(self) -> str | None:
        """Its own id while it leads, otherwise what the store says."""
        return self._participant if self.has_leadership() else self._view.leader_id()

    # ---- steps

    def _later(self, executor: ScheduledExecutor, step: Callable[[], None], delay_s: float) -> None:
        if not executor.schedule_if_running(step, delay_s):
            log.debug("The candidacy for [%s] is closed", self._service)

    def _step(self) -> None:
        """Take or renew the lease, and come again; the jitter keeps the candidates from asking all at once."""
        lease = self._lease
        if self._closed or self._over:
            return
        period_s = self._config.poll_s if lease is None else self._config.lease_s / RENEWALS
        try:
            if lease is None:
                self._take()
            elif not self._renew(lease):
                return
        except Exception as failure:  # noqa: BLE001 - whatever the store's driver raises; the watch ends the leadership
            log.warning("The lease of [%s] cannot be %s: %r", self._service, "renewed" if lease else "had", failure)
            period_s = min(period_s, self._config.poll_s)
        self._later(self._asking, self._step, period_s * self._random.uniform(0.8, 1.0))

    def _take(self) -> None:
        lease = self._leases.acquire(self._service, self._participant)
        if lease is None:
            return
        with self._lock:
            closed = self._closed
            if not closed:
                self._lease = self._leadership.lease = lease
        if closed:  # meanwhile; nobody will renew it, so nobody should wait for its end
            self._give_back(lease)
            return
        log.info("[%s] has the lease of [%s], term %d", self._participant, self._service, lease.term)
        self._watch(lease)
        self._gained()

    def _renew(self, lease: Lease) -> bool:
        renewed = self._leases.renew(lease)
        if renewed is None:
            log.warning("The lease of [%s], term %d, is over", self._service, lease.term)
            self._end()
            return False
        with self._lock:
            too_late = self._closed or self._over
            if not too_late:
                self._lease = self._leadership.lease = renewed
        if too_late:  # the answer took so long that the leadership was ended: let nobody wait for the lease
            self._give_back(renewed)
        return not too_late

    def _watch(self, lease: Lease) -> None:
        self._later(self._watching, self._look, lease.deadline - self._clock.monotonic())

    def _look(self) -> None:
        """The time may be over; it is not if the lease was renewed."""
        with self._lock:
            lease = self._lease
            in_time = _is_in_time(lease, self._clock)
            led = lease is not None and not in_time and self._forget_lease()
        if lease is not None and in_time:
            self._watch(lease)
        elif lease is not None and led:
            log.warning("The lease of [%s], term %d, was not renewed in time", self._service, lease.term)
            self._tell_lost()

    def _end(self) -> None:
        with self._lock:
            led = self._forget_lease()
        if led:
            self._tell_lost()

    def _forget_lease(self) -> bool:
        """Lead no more; whether it did. The caller holds the lock."""
        led, self._lease = self._lease is not None, None
        if led:
            self._over = True
            self._leadership.lease = None
        return led

    def _tell_lost(self) -> None:
        if not self._closed:
            self._view.forget()
            self._lost()

    def _give_back(self, lease: Lease) -> None:
        try:
            self._leases.release(lease)
        except Exception as failure:  # noqa: BLE001 - whatever the store's driver raises
            log.warning("The lease of [%s] cannot be given back; it ends by itself: %r", self._service, failure)
        finally:
            self._left.set()
