"""Who changed what: ``druid_audit``."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, insert, select

from nemeton.common.clock import Clock
from nemeton.common.errors import invalid_input
from nemeton.json import Json, wire
from nemeton.metadata.connector import MetadataStorageConnector
from nemeton.time import Interval, format_datetime

MAX_COMMENT = 2048

_WEEK_MS = 7 * 24 * 3600 * 1000


@frozen(kw_only=True)
class AuditManagerConfig:
    """``druid.audit.manager.*``: how far back a history goes that was asked for without ``interval`` and ``count``."""

    audit_history_millis: int = _WEEK_MS


@frozen(kw_only=True)
class AuditInfo:
    """Who, and why: headers ``X-Druid-Author`` and ``X-Druid-Comment`` of a request."""

    author: str = ""
    identity: str = ""
    comment: str = ""
    ip: str = ""


@frozen(kw_only=True)
class RequestInfo:
    """The request that made the change."""

    service: str
    method: str
    uri: str
    query_params: str | None = None


@frozen(kw_only=True)
class AuditEntry:
    """One change. ``payload`` is JSON text; ``audit_time`` is epoch milliseconds."""

    key: str
    type: str
    audit_info: AuditInfo
    request: RequestInfo | None = None
    payload: str = ""
    audit_time: int = field(default=0, metadata=wire("auditTime", as_datetime=True))


class AuditManager:
    """Writes and reads audit entries (Druid: ``SQLAuditManager``). Thread-safe."""

    def __init__(
        self,
        connector: MetadataStorageConnector,
        json: Json,
        clock: Clock,
        config: AuditManagerConfig = AuditManagerConfig(),
    ) -> None:
        self._connector = connector
        self._json = json
        self._clock = clock
        self._config = config

    def record(
        self, key: str, type_: str, info: AuditInfo, payload: Any, request: RequestInfo | None = None
    ) -> AuditEntry:
        """Store an entry in a transaction of its own."""
        return self._connector.retry_transaction(lambda c: self.record_in(c, key, type_, info, payload, request))

    def record_in(
        self,
        connection: Connection,
        key: str,
        type_: str,
        info: AuditInfo,
        payload: Any,
        request: RequestInfo | None = None,
    ) -> AuditEntry:
        """Store an entry in the caller's transaction."""
        entry = AuditEntry(
            key=key,
            type=type_,
            audit_info=info,
            request=request,
            payload=self._json.dumps(payload).decode(),
            audit_time=self._clock.now(),
        )
        connection.execute(
            insert(self._connector.tables.audit).values(
                audit_key=key,
                type=type_,
                author=info.author,
                comment=info.comment[:MAX_COMMENT],
                created_date=format_datetime(entry.audit_time),
                payload=self._json.dumps(entry),
            )
        )
        return entry

    def history(
        self, type_: str, *, key: str | None = None, interval: Interval | None = None, limit: int | None = None
    ) -> list[AuditEntry]:
        """Return entries of a type, and a key if given: within an interval (oldest first), or the newest ``limit``.

        Without either those of the last ``auditHistoryMillis``. Raises `DruidException` for a limit below one.
        """
        if limit is not None and limit < 1:
            raise invalid_input("Limit must be greater than zero!")
        if interval is None and limit is None:
            now = self._clock.now()
            interval = Interval(now - self._config.audit_history_millis, now)
        table = self._connector.tables.audit
        query = select(table.c.payload).where(table.c.type == type_)
        if key is not None:
            query = query.where(table.c.audit_key == key)
        if interval is not None:
            query = query.where(
                table.c.created_date >= format_datetime(interval.start),
                table.c.created_date <= format_datetime(interval.end),
            )
        newest_first = limit is not None
        order = table.c.created_date.desc() if newest_first else table.c.created_date
        query = query.order_by(order, table.c.id.desc() if newest_first else table.c.id).limit(limit)
        rows = self._connector.read(lambda c: list(c.execute(query).scalars()))
        return [self._json.loads(payload, AuditEntry) for payload in rows]
