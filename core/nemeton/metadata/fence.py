"""Whose writes count: a process that leads no more is kept from writing, by the very transaction that writes.

Elections of the kinds ``metadata`` and ``curator`` put up a gate for their service. Writes that only a leader may make
pass it: each transaction begins with the look at the leader's term in the store, and keeps the term from being taken by
another until it ends. Where there is no gate (elections of other kinds, processes without any) everybody passes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from nemeton.common.errors import DruidException

if TYPE_CHECKING:
    from sqlalchemy import Connection

LastLook = Callable[[], None]
"""Called as the last thing before a commit; asks nobody who is elsewhere. Raises `LeadershipLostError`."""
Check: TypeAlias = "Callable[[Connection], LastLook]"
"""Called as the first thing in a transaction; raises `LeadershipLostError`."""


class LeadershipLostError(DruidException):
    """A write in a leader's name came from a process that leads no more; HTTP answers 503, so that it is sent on."""

    def __init__(self, service: str) -> None:
        super().__init__(
            f"This process does not lead the service [{service}] any more; nothing was written",
            category="CAPACITY_EXCEEDED",
            persona="OPERATOR",
        )

    @property
    def http_status(self) -> int:
        """Service unavailable."""
        return 503


class LeadershipFence:
    """The gates of one metadata store, by service. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: dict[str, Callable[[], Check]] = {}

    def put_up(self, service: str, gate: Callable[[], Check]) -> None:
        """From now on let writes for the service pass only by the gate; it replaces an earlier one.

        The gate is asked once for each write and gives the check of its transactions, however often they are tried: a
        write that was begun in one term does not count in the next. It raises `LeadershipLostError`, too.
        """
        with self._lock:
            self._gates[service] = gate

    def admit(self, service: str) -> Check:
        """Return the check for one write. Raises `LeadershipLostError`."""
        with self._lock:
            gate = self._gates.get(service)
        return gate() if gate is not None else _everybody


def no_last_look() -> None:
    """For gates that see to it by other means that a term does not end before the transaction."""


def _everybody(_connection: Connection) -> LastLook:
    """No gate."""
    return no_last_look
