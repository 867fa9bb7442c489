"""Configuration that changes while the cluster runs: ``druid_config``."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define
from sqlalchemy import Connection, insert, select, update

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.json import Json
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.metadata.audit import AuditInfo, AuditManager
from nemeton.metadata.config import ConfigManagerConfig
from nemeton.metadata.connector import MetadataStorageConnector, RetryTransactionError

log = logging.getLogger(__name__)

T = TypeVar("T")
Watcher = Callable[[bytes | None], object]

_CACHE_S = 5.0


@define(eq=False)
class _Watch:
    """Who follows a key, and what it was told last."""

    watcher: Watcher
    told: bytes | None = None
    is_told: bool = False

    def tell(self, key: str, payload: bytes | None) -> None:
        if self.is_told and payload == self.told:
            return
        self.told, self.is_told = payload, True
        try:
            self.watcher(payload)
        except Exception:
            log.exception("Following the configuration [%s] failed", key)


class ConfigManager:
    """Reads and writes dynamic configuration (Druid: ``JacksonConfigManager``). Thread-safe.

    Reads may be up to 5 s old with respect to other processes; writes of this process are seen at once. Who must not
    wait for the store follows a key with `watch`: changes of other processes come with the next poll, every
    ``druid.manager.config.pollDuration``.
    """

    def __init__(
        self,
        connector: MetadataStorageConnector,
        audit: AuditManager,
        json: Json,
        clock: Clock,
        config: ConfigManagerConfig = ConfigManagerConfig(),  # noqa: B008 - immutable
    ) -> None:
        self._connector = connector
        self._audit = audit
        self._json = json
        self._clock = clock
        self._cache: dict[str, tuple[float, bytes | None]] = {}
        self._lock = threading.Lock()
        self._poll_s = config.poll_duration.to_seconds()
        self._backoff = Backoff(initial_s=1.0, max_s=self._poll_s)
        self._watched: dict[str, list[_Watch]] = {}
        self._watch_lock = threading.RLock()  # held from reading to telling, so that nobody is told of the past
        self._poller: ScheduledExecutor | None = None

    # ---- following

    @lifecycle_start
    def start(self) -> None:
        """Begin to poll what is watched."""
        self._poller = ScheduledExecutor("config-manager", self._clock)
        self._soon(self._poll_again_and_again, self._poll_s)

    @lifecycle_stop
    def stop(self) -> None:
        """Poll no more, within a bound."""
        if self._poller is not None:
            self._poller.shutdown()

    def watch(self, key: str, watcher: Watcher) -> None:
        """Call ``watcher`` with the payload under the key (None: there is none), now and whenever it changes.

        Not now when the store cannot be read; it is tried again then. Later calls come from other threads.
        """
        with self._watch_lock:
            self._watched.setdefault(key, []).append(_Watch(watcher))
        if not self._refresh(key):
            self._soon(self.poll, self._backoff.initial_s)

    def poll(self) -> bool:
        """Read what is watched, and tell of changes; False when something could not be read."""
        unread = [key for key in list(self._watched) if not self._refresh(key)]
        return not unread

    def _poll_again_and_again(self) -> None:
        pause = self._poll_s
        if self.poll():
            self._backoff.reset()
        else:
            pause = self._backoff.next_delay()
        self._soon(self._poll_again_and_again, pause)

    def _soon(self, work: Callable[[], object], pause_s: float) -> None:
        poller = self._poller
        if poller is not None:
            poller.schedule_if_running(work, pause_s)

    def _refresh(self, key: str) -> bool:
        with self._watch_lock:
            try:
                payload = self.get_bytes(key)
            except Exception:
                log.exception("The configuration [%s] cannot be read; what is known stays in force", key)
                return False
            for watched in self._watched[key]:
                watched.tell(key, payload)
        return True

    # ---- reading and writing

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
        written = False

        def work(connection: Connection) -> bool:
            nonlocal written
            current = self._stored(connection, key)
            if written and current == payload:
                return True  # by the try before: it was committed, but the answer got lost
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
            written = True
            return True

        stored = self._connector.retry_transaction(work)
        with self._lock:
            self._cache.pop(key, None)
        if stored and key in self._watched:
            self._refresh(key)
        return stored

    def _stored(self, connection: Connection, key: str) -> bytes | None:
        table = self._connector.tables.config
        payload: bytes | None = connection.execute(select(table.c.payload).where(table.c.name == key)).scalar()
        return payload
