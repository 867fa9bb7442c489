"""Terms of leaders who are elected elsewhere: noted in the row of ``druid_leases`` that fences their writes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select, update

from nemeton.discovery.metadata.store import LeaseStore
from nemeton.metadata.fence import LeadershipFence, LeadershipLostError


class Terms:
    """The terms of one service: each is taken once, and follows the one before. Thread-safe.

    Who may take the next is decided elsewhere. Whoever takes it asks in this order: which term was the `last`; does the
    election still say that I lead; then `take`. It fails when another was taken in between, so a process that was slow
    to note its election never comes after the leader who was elected later.
    """

    def __init__(self, service: str, store: LeaseStore, silence_s: float) -> None:
        self._service = service
        self._store = store
        self._silence_s = silence_s
        table = store.leases
        columns: list[Any] = [table.c.term]
        bound = store.connector.dialect.silence_bound(silence_s)
        if bound is not None:
            columns.append(bound)
        mine = select(*columns).where(table.c.service == service)
        self._look = mine.with_for_update(read=True, key_share=True)
        self._sql: str | None = None

    @property
    def fence(self) -> LeadershipFence:
        """The fence of the store."""
        return self._store.connector.fence

    def last(self) -> int:
        """The last term that was taken; 0 when there was none."""
        table = self._store.leases
        query = select(table.c.term).where(table.c.service == self._service)
        return self._store.connector.read(lambda c: c.execute(query).scalar(), max_tries=2) or 0

    def take(self, last: int, holder: str) -> int | None:
        """Take the term after ``last``; None when that is not the last one any more.

        Waits for writes of the last term to end, which the fence has let pass.
        """
        # two tries: the second finds the row that another was quicker to insert
        return self._store.write(lambda c: self._take(c, last, holder), self._silence_s, max_tries=2)

    def _take(self, connection: Connection, last: int, holder: str) -> int | None:
        table = self._store.leases
        query = select(table.c.term).where(table.c.service == self._service)
        found = connection.execute(query.with_for_update()).scalar()
        if (found or 0) != last:
            return None
        # no lease: it holds until another takes the next, also one of an election by leases, if those are mixed
        values = {"holder": holder, "term": last + 1, "expires": 0}
        if found is None:
            connection.execute(insert(table).values(service=self._service, **values))
        else:
            connection.execute(update(table).where(table.c.service == self._service).values(**values))
        return last + 1

    def verify(self, connection: Connection, term: int) -> None:
        """Raise `LeadershipLostError` unless the term is the last; keep the next from being taken in this transaction.

        A process that falls silent in the middle keeps it no longer than ``silence_s``, where the database can see to
        that.
        """
        if self._sql is None:
            self._sql = self._in_words(connection)
        if connection.exec_driver_sql(self._sql).scalar() != term:
            raise LeadershipLostError(self._service)

    def _in_words(self, connection: Connection) -> str:
        """The look as the driver takes it: every write pays for it, and to have it put together costs more than to run.

        Without parameters, so that a database may take it along with the beginning of the transaction.
        """
        schemas = connection.get_execution_options().get("schema_translate_map")
        return str(
            self._look.compile(
                dialect=connection.dialect,
                schema_translate_map=schemas,
                render_schema_translate=schemas is not None,
                compile_kwargs={"literal_binds": True},
            )
        )
