"""Node announcements as rows of ``druid_nodes``: with a heartbeat, and followed by looking at them again and again."""

from __future__ import annotations

import logging
import random
import threading
import uuid
from collections.abc import Collection, Mapping

from attrs import define, field, frozen
from sqlalchemy import Connection, delete, insert, select, update

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.metadata.config import RENEWALS
from nemeton.discovery.metadata.store import LeaseStore
from nemeton.discovery.services import BaseNodeDiscoveryProvider
from nemeton.discovery.watcher import BaseNodeRoleWatcher
from nemeton.json import Json
from nemeton.metadata.connector import MAX_TRIES
from nemeton.model import DiscoveryDruidNode, NodeRole
from nemeton.spi.discovery import DruidNodeAnnouncer

log = logging.getLogger(__name__)


@frozen
class Announcement:
    """A node's row. ``revision`` is new with every announcement, so that a change shows without the payload."""

    id: str
    role: str
    payload: bytes = field(repr=False)
    revision: str = field(factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(cls, node: DiscoveryDruidNode, json: Json) -> Announcement:
        """The row of a node in its role."""
        role = node.node_role.json_name
        return cls(f"{role}/{node.druid_node.host_and_port_to_use}", role, json.dumps(node))


class NodeRows:
    """Statements on the table of nodes; each method is a transaction. Thread-safe."""

    def __init__(self, store: LeaseStore) -> None:
        self._store = store

    def put(self, owner: str, announcements: Collection[Announcement]) -> None:
        """Write the rows, over those that are there."""

        def work(connection: Connection) -> None:
            table = self._store.tables.nodes
            for each in announcements:
                values = {"owner": owner, "revision": each.revision, "payload": each.payload, "expires": self._end()}
                there = connection.execute(update(table).where(table.c.id == each.id).values(**values)).rowcount
                if not there:
                    connection.execute(insert(table).values(id=each.id, role=each.role, **values))

        self._store.tables  # noqa: B018 - makes them, in a transaction of its own
        self._store.write(work, self._store.config.node_s, max_tries=MAX_TRIES)

    def remove(self, owner: str, id_: str) -> None:
        """Delete a row, if it is still the owner's."""
        table = self._store.tables.nodes
        statement = delete(table).where(table.c.id == id_, table.c.owner == owner)
        self._store.write(lambda c: c.execute(statement), self._store.config.node_s, max_tries=2)

    def beat(self, owner: str) -> int:
        """Let the owner's rows hold anew, and delete what nobody has renewed for long; return how many are its."""
        table = self._store.tables.nodes
        now, long_ago_ms = self._store.connector.dialect.clock(), round(10 * self._store.config.node_s * 1000)

        def work(connection: Connection) -> int:
            connection.execute(delete(table).where(table.c.expires < now - long_ago_ms))
            return connection.execute(update(table).where(table.c.owner == owner).values(expires=self._end())).rowcount

        return self._store.write(work, self._store.config.node_s, max_tries=1)

    def revisions(self, roles: Collection[str], ago_s: float = 0.0) -> dict[str, dict[str, str]]:
        """Return id → revision of what is announced now, or was so many seconds ago and is still there, by role."""
        table = self._store.tables.nodes
        then = self._store.connector.dialect.clock() - round(ago_s * 1000)
        query = select(table.c.role, table.c.id, table.c.revision).where(
            table.c.role.in_(sorted(roles)), table.c.expires > then
        )
        found: dict[str, dict[str, str]] = {role: {} for role in roles}
        for row in self._store.connector.read(lambda c: c.execute(query).all(), max_tries=1):
            found[row.role][row.id] = row.revision
        return found

    def payloads(self, ids: Collection[str]) -> dict[str, tuple[str, bytes]]:
        """Return id → (revision, payload) of those that are there."""
        table = self._store.tables.nodes
        query = select(table.c.id, table.c.revision, table.c.payload).where(table.c.id.in_(sorted(ids)))
        rows = self._store.connector.read(lambda c: c.execute(query).all(), max_tries=1)
        return {row.id: (row.revision, row.payload) for row in rows}

    def _end(self) -> object:
        return self._store.connector.dialect.clock() + round(self._store.config.node_s * 1000)


class MetadataNodeAnnouncer(DruidNodeAnnouncer):
    """Keeps this role's rows alive; they end by themselves when the process does. Thread-safe."""

    def __init__(self, store: LeaseStore, json: Json, clock: Clock) -> None:
        self._rows = NodeRows(store)
        self._json = json
        self._period_s = store.config.node_s / RENEWALS
        self._owner = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._announced: dict[str, Announcement] = {}
        self._random = random.Random()
        self._executor = ScheduledExecutor("node-heartbeat", clock)
        self._beating = False

    def announce(self, node: DiscoveryDruidNode) -> None:
        """See `DruidNodeAnnouncer`. Raises when the store does not take it."""
        announcement = Announcement.of(node, self._json)
        with self._lock:
            self._rows.put(self._owner, [announcement])
            self._announced[announcement.id] = announcement
            if not self._beating:
                self._beating = True
                self._beat_later()

    def unannounce(self, node: DiscoveryDruidNode) -> None:
        """See `DruidNodeAnnouncer`. When the store does not answer, the announcement ends by itself."""
        id_ = Announcement.of(node, self._json).id
        with self._lock:
            if self._announced.pop(id_, None) is None:
                return
            try:
                self._rows.remove(self._owner, id_)
            except Exception as failure:  # noqa: BLE001 - whatever the store's driver raises
                log.warning("[%s] cannot be unannounced; that ends by itself: %r", id_, failure)

    def close(self) -> None:
        """Beat no more."""
        self._executor.shutdown(timeout_s=0.2)

    def _beat_later(self) -> None:
        if not self._executor.schedule_if_running(self._beat, self._period_s * self._random.uniform(0.8, 1.0)):
            log.debug("The announcer is closed")

    def _beat(self) -> None:
        try:
            with self._lock:
                if self._announced and self._rows.beat(self._owner) < len(self._announced):
                    log.warning("Announcements of this process had gone from the store; they are made anew")
                    self._rows.put(self._owner, list(self._announced.values()))
        except Exception as failure:  # noqa: BLE001 - whatever the store's driver raises
            log.warning("The announcements cannot be renewed; will try again: %r", failure)
        finally:
            self._beat_later()


@define(eq=False)
class _Watched:
    """A role that is watched, and what its watcher has been told: id → revision, node."""

    watcher: BaseNodeRoleWatcher
    told: dict[str, tuple[str, DiscoveryDruidNode]] = field(factory=dict)
    complete: bool = False


class MetadataNodeDiscoveryProvider(BaseNodeDiscoveryProvider):
    """Looks at the rows of all watched roles, every poll period.

    While the store does not answer, everything stays as it was seen last; afterwards nodes have the time of an
    announcement to renew theirs before any counts as gone. Until then the nodes that were there before count for a role
    that is watched from now on, too: who becomes leader right after an outage would miss workers, and their tasks.
    """

    def __init__(self, store: LeaseStore, json: Json, listeners: ScheduledExecutor, clock: Clock) -> None:
        super().__init__()
        self._rows = NodeRows(store)
        self._config = store.config
        self._json = json
        self._listeners = listeners
        self._clock = clock
        self._random = random.Random()
        self._watch_lock = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._executor = ScheduledExecutor("node-poll", clock)
        self._seen_at: float | None = None
        self._trust_absence_at = 0.0
        self._outage_began_at = 0.0

    def watch(self, role: NodeRole) -> BaseNodeRoleWatcher:
        """Begin to watch a role; it is initialised after the next look."""
        watcher = BaseNodeRoleWatcher(role, self._listeners, self._clock)
        with self._watch_lock:
            first = not self._watched
            self._watched[role.json_name] = _Watched(watcher)
        if not self._executor.schedule_if_running(self._poll_always if first else self._poll_safely, 0):
            log.debug("Discovery is closed; role [%s] is not watched", role)
        return watcher

    def close(self) -> None:
        """Look no more; the nodes stay as they were seen last."""
        self._executor.shutdown(timeout_s=0.2)

    def _poll_always(self) -> None:
        try:
            self._poll_safely()
        finally:
            if not self._executor.schedule_if_running(
                self._poll_always, self._config.poll_s * self._random.uniform(0.8, 1.0)
            ):
                log.debug("Discovery is closed")

    def _poll_safely(self) -> None:
        try:
            self._poll()
        except Exception as failure:  # noqa: BLE001 - whatever the store's driver raises
            log.warning("The announced nodes cannot be read; will try again: %r", failure)

    def _poll(self) -> None:
        with self._watch_lock:
            watched = dict(self._watched)
        found = self._rows.revisions(watched, self._distrusted_s())
        if self._note_outage():
            found = self._rows.revisions(watched, self._distrusted_s())
        news = {
            id_
            for role, rows in found.items()
            for id_, revision in rows.items()
            if watched[role].told.get(id_, ("",))[0] != revision
        }
        payloads = self._rows.payloads(news) if news else {}
        for role, rows in found.items():
            self._tell(watched[role], rows, payloads)

    def _note_outage(self) -> bool:
        """After a time without an answer, in which nobody could renew, absence means nothing at first."""
        now, before = self._clock.monotonic(), self._seen_at
        self._seen_at = now
        if before is None or now - before <= self._config.node_s / 2:
            return False
        log.warning("The store answers again after %.1f s; nodes get time to renew", now - before)
        if now >= self._trust_absence_at:  # or else it went away again before all could renew
            self._outage_began_at = before
        self._trust_absence_at = now + self._config.node_s
        return True

    def _distrusted_s(self) -> float:
        """How far back lies the last look before an outage, as long as its end is not long ago."""
        now = self._clock.monotonic()
        return now - self._outage_began_at if now < self._trust_absence_at else 0.0

    def _tell(self, watched: _Watched, rows: Mapping[str, str], payloads: Mapping[str, tuple[str, bytes]]) -> None:
        if self._clock.monotonic() >= self._trust_absence_at:
            for id_ in [id_ for id_ in watched.told if id_ not in rows]:
                watched.watcher.node_removed(watched.told.pop(id_)[1])
        for id_ in rows:
            if id_ in payloads:
                self._tell_new(watched, id_, *payloads[id_])
        if not watched.complete:
            watched.complete = True
            watched.watcher.initialized()

    def _tell_new(self, watched: _Watched, id_: str, revision: str, payload: bytes) -> None:
        try:
            node = self._json.loads(payload, DiscoveryDruidNode)
        except Exception:
            log.exception("The announcement [%s] cannot be read; it is left out", id_)
            return
        before = watched.told.pop(id_, None)
        if before is not None:
            watched.watcher.node_removed(before[1])
        watched.told[id_] = (revision, node)
        watched.watcher.node_added(node)
