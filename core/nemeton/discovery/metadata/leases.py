"""Leases of leadership: rows of ``druid_leases``, by the store's clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import evolve, frozen
from sqlalchemy import Connection, bindparam, insert, select, update

from nemeton.common.clock import Clock
from nemeton.discovery.metadata.store import LeaseStore
from nemeton.metadata.fence import LeadershipFence, LeadershipLostError

T = TypeVar("T")


@frozen
class Lease:
    """A term of leadership: nobody else has had, or will have, this term of the service.

    ``deadline`` is the moment, on this process's monotonic clock, before which the store cannot count it as over.
    """

    service: str
    term: int
    deadline: float


class Leases:
    """Takes, renews and gives back leases. Every method is one short transaction, tried once; thread-safe."""

    def __init__(self, store: LeaseStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._duration_s = store.config.lease_s

    @property
    def fence(self) -> LeadershipFence:
        """The fence of the store."""
        return self._store.connector.fence

    def acquire(self, service: str, holder: str) -> Lease | None:
        """Take the lease, with the next term, if nobody holds it. Waits for writes of the last term to end."""
        if self.holder(service) is not None:
            return None
        return self._write(lambda c: self._acquire(c, service, holder))

    def _acquire(self, connection: Connection, service: str, holder: str) -> Lease | None:
        table = self._store.tables.leases
        now = self._now()
        # an exclusive lock: every transaction that passed the gate in the last term is over when it is granted
        query = select(table.c.term, table.c.expires > now).where(table.c.service == service)
        row = connection.execute(query.with_for_update()).first()
        if row is not None and row[1]:
            return None
        taken = self._clock.monotonic()
        term = 1 if row is None else row.term + 1
        values = {"holder": holder, "term": term, "expires": now + round(self._duration_s * 1000)}
        if row is None:
            connection.execute(insert(table).values(service=service, **values))
        else:
            connection.execute(update(table).where(table.c.service == service).values(**values))
        return Lease(service, term, taken + self._duration_s)

    def renew(self, lease: Lease) -> Lease | None:
        """Let the lease hold anew from now on; None when it is over, even if nobody has taken it since."""
        table = self._store.tables.leases
        sent = self._clock.monotonic()
        now = self._now()
        statement = (
            update(table)
            .where(table.c.service == lease.service, table.c.term == lease.term, table.c.expires > now)
            .values(expires=now + round(self._duration_s * 1000))
        )
        renewed = self._write(lambda c: c.execute(statement).rowcount) == 1
        return evolve(lease, deadline=sent + self._duration_s) if renewed else None

    def release(self, lease: Lease) -> None:
        """Give the lease back, so that others need not wait for its end."""
        table = self._store.tables.leases
        mine = (table.c.service == lease.service, table.c.term == lease.term)
        self._write(lambda c: c.execute(update(table).where(*mine).values(expires=0)))

    def holder(self, service: str) -> str | None:
        """Return who leads, by the store's clock."""
        table = self._store.tables.leases
        query = select(table.c.holder).where(table.c.service == service, table.c.expires > self._now())
        return self._store.connector.read(lambda c: c.execute(query).scalar(), max_tries=1)

    def verify(self, connection: Connection, lease: Lease) -> None:
        """Raise `LeadershipLostError` when the lease is over; keep it from changing hands until the transaction ends.

        The row is locked so that renewals go on beside it. A process that falls silent in the middle keeps it locked no
        longer than a lease holds, where the database can see to that.
        """
        table = self._store.tables.leases
        columns: list[Any] = [table.c.term, table.c.expires > self._now()]
        bound = self._store.connector.dialect.silence_bound(self._duration_s)
        if bound is not None:
            columns.append(bound)
        # no parameter, so that a database may take it along with the beginning of the transaction
        query = select(*columns).where(table.c.service == bindparam("service", lease.service, literal_execute=True))
        row = connection.execute(query.with_for_update(read=True, key_share=True)).first()
        if row is None or row[0] != lease.term or not row[1] or self._clock.monotonic() >= lease.deadline:
            raise LeadershipLostError(lease.service)

    def _now(self) -> Any:
        return self._store.connector.dialect.clock()

    def _write(self, work: Callable[[Connection], T]) -> T:
        # two tries: the second finds the row that another candidate was quicker to insert
        return self._store.write(work, self._duration_s, max_tries=2)
