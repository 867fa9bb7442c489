"""The term in which a leader whom ZooKeeper has elected writes: what keeps a late write of its from counting."""

from __future__ import annotations

import abc
import logging
from functools import partial
from typing import TYPE_CHECKING

from attrs import frozen

from nemeton.discovery.metadata.store import LeaseStore
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.metadata.fence import Check, LastLook, LeadershipLostError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from nemeton.discovery.metadata.terms import Terms

log = logging.getLogger(__name__)

_TRIES = 5
_SILENCE = 1 / 3
"""The share of the session's time that a transaction may be silent. The rest of it has gone by when a leader that hears
nothing stops to believe that it leads: so the last of its commits comes before the session can be over."""


class Candidate(abc.ABC):
    """A candidacy, as the office asks it."""

    @abc.abstractmethod
    def has_leadership(self) -> bool:
        """Whether it leads, as far as this process knows."""

    @abc.abstractmethod
    def confirms_leadership(self) -> bool:
        """Whether it leads: ZooKeeper is asked now, and said so. Raises kazoo's exceptions."""


@frozen(eq=False)
class _Held:
    term: int
    terms: Terms
    candidate: Candidate


class Office:
    """One participant's terms in a service's election, over all of its candidacies. Thread-safe.

    The store is used when the first candidacy begins.
    """

    def __init__(self, service: str, holder: str, store: LeaseStore, zookeeper: ZooKeeper) -> None:
        self._service = service
        self._holder = holder
        self._store = store
        self._zookeeper = zookeeper
        self._held: _Held | None = None

    def put_up_gate(self) -> None:
        """From now on let nobody write in the service's name, in this role, without the term."""
        self._store.connector.fence.put_up(self._service, self._gate)

    def take(self, candidate: Candidate) -> None:
        """Take the next term. Raises `LeadershipLostError` if somebody else leads, and what the store raises."""
        from nemeton.discovery.metadata.terms import Terms

        with self._store.connector.reporting_failure():
            terms = Terms(self._service, self._store, self._zookeeper.session_s * _SILENCE)
            term = self._take(terms, candidate)
        if term is None:
            raise LeadershipLostError(self._service)
        self._held = _Held(term, terms, candidate)
        log.info("[%s] leads [%s] in term %d of the metadata store", self._holder, self._service, term)

    def _take(self, terms: Terms, candidate: Candidate) -> int | None:
        for _ in range(_TRIES):
            last = terms.last()
            # asked after the store: had somebody else been elected since, that one's term is found to be the last
            if not candidate.confirms_leadership():
                return None
            term = terms.take(last, self._holder)
            if term is not None:
                return term
        return None

    def _gate(self) -> Check:
        held = self._held
        if held is None:
            raise LeadershipLostError(self._service)
        self._insist(held)
        return partial(self._check, held)

    def _check(self, held: _Held, connection: Connection) -> LastLook:
        held.terms.verify(connection, held.term)
        self._insist(held)
        return partial(self._insist, held)

    def _insist(self, held: _Held) -> None:
        """What this process knows by itself; all that there is against a leader who notes no term, as Java's do."""
        if self._held is not held or not held.candidate.has_leadership():
            raise LeadershipLostError(self._service)
