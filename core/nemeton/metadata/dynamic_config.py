"""Configuration that changes while the cluster runs: ``druid_config``."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, select, update

from nemeton.common.clock import Clock
from nemeton.json import Json
from nemeton.metadata.audit import AuditInfo, AuditManager
from nemeton.metadata.connector import MetadataStorageConnector, RetryTransactionError

T = TypeVar("T")

_CACHE_S = 5.0


class ConfigManager:
    """Reads and writes dynamic configuration (Druid: ``JacksonConfigManager``). Thread-safe.

    Reads may be up to 5 s old with respect to other processes; writes of this process are seen at once.
    """

    def __init__(self, connector: MetadataStorageConnector, audit: AuditManager, json: Json, clock: Clock) -> None:
        self._connector = connector
        self._audit = audit
        self._json = json
        self._clock = clock
        self._cache: dict[str, tuple[float, bytes | None]] = {}
        self._lock = threading.Lock()

    def get_bytes(self, key: str) -> bytes | None:
        """Return the payload as stored, or None; always asks the store."""
        payload = self._connector.read(lambda c: self._stored(c, key))
        with self._lock:
            self._cache[key] = (self._clock.monotonic(), payload)
        return payload

    def get(self, key: str, cls: type[T], default: T) -> T:
        """Return the configuration under ``key``, or ``default`` when there is none."""
        with self._lock:
            cached = self._cache.get(key)
        if cached is not None and self._clock.monotonic() - cached[0] < _CACHE_S:
            payload = cached[1]
        else:
            payload = self.get_bytes(key)
        return default if payload is None else self._json.loads(payload, cls)

    def set(self, key: str, value: Any, info: AuditInfo, *, expected: bytes | None = None, swap: bool = False) -> bool:
        """Store ``value`` and an audit entry in one transaction.

        With ``swap`` only if the stored bytes still are ``expected`` (None: no row); returns False when they are not.
        """
        payload = self._json.dumps(value)

        def work(connection: Connection) -> bool:
            current = self._stored(connection, key)
            if swap and current != expected:
                return False
            table = self._connector.tables.config
            if current is None:
                connection.execute(insert(table).values(name=key, payload=payload))
            else:
                changed = connection.execute(
                    update(table).where(table.c.name == key, table.c.payload == current).values(payload=payload)
                ).rowcount
                if changed != 1:
                    raise RetryTransactionError(f"Lost the race for the configuration [{key}]")
            self._audit.record_in(connection, key, key, info, value)
            return True

        stored = self._connector.retry_transaction(work)
        with self._lock:
            self._cache.pop(key, None)
        return stored

    def _stored(self, connection: Connection, key: str) -> bytes | None:
        table = self._connector.tables.config
        payload: bytes | None = connection.execute(select(table.c.payload).where(table.c.name == key)).scalar()
        return payload
