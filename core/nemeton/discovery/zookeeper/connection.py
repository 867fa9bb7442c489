"""The connection to ZooKeeper that a role has: one session, watched over, with bounded waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException
from nemeton.common.scheduling import Scheduled, ScheduledExecutor
from nemeton.discovery.zookeeper.config import CuratorConfig, IndexerZkConfig, ZkPathsConfig
from nemeton.lifecycle import lifecycle_stop

if TYPE_CHECKING:
    from nemeton.discovery.zookeeper.client import CuratorClient

log = logging.getLogger(__name__)

_HEARTBEATS_PER_SESSION = 6
_LIVE = 2 / 3
"""The share of the session timeout after which a silent server counts as lost, as in Curator."""


class SessionListener:
    """Hears of what becomes of the session; called on one thread of the connection, one call at a time.

    Calls must not wait for ZooKeeper: hand such work to a thread of your own.
    """

    def suspended(self) -> None:
        """The server has not answered for two thirds of the session's time, or the connection broke.

        The session may live on, or be over without our knowing: whoever leads, leads no more.
        """

    def lost(self) -> None:
        """The session is over, or must be taken for it; its ephemeral nodes are gone or will be."""

    def reconnected(self) -> None:
        """There is a connection again, after `suspended` in the old session, after `lost` perhaps in a new one.

        Watches have to be set again, and what is to be there has to be looked after.
        """


class ZooKeeper:
    """The role's session. Nothing is connected until somebody asks for `client`. Thread-safe."""

    def __init__(
        self, config: CuratorConfig, paths: ZkPathsConfig, indexer_paths: IndexerZkConfig, clock: Clock
    ) -> None:
        self.config = config
        self.paths = paths
        self.indexer_paths = indexer_paths.below(paths)
        """`druid.zk.paths.indexer.*` with every path filled in."""
        self._clock = clock
        self._lock = threading.RLock()
        self._client: CuratorClient | None = None
        self._closed = False
        self._connected_once = threading.Event()
        self._listeners: tuple[SessionListener, ...] = ()
        self._before_stop: list[Callable[[], None]] = []
        self._events = ScheduledExecutor("zookeeper-session", clock)
        self._heartbeats = ScheduledExecutor("zookeeper-heartbeat", clock)
        self._state = _State()

    # ---- for everybody

    @property
    def client(self) -> CuratorClient:
        """The started client. Once there was a connection it is returned at once, whether there is one now or not.

        Its calls wait at most for the session's time and then raise kazoo's `OperationTimeoutError`. Raises a
        `DruidException` when ZooKeeper is disabled, or when the first connection takes longer than
        ``connectionTimeoutMs``; it is tried for in the background then.
        """
        client = self._started()
        timeout_s = self.config.connection_timeout_ms / 1000
        if not self._connected_once.wait(timeout_s):
            raise _unavailable(
                f"ZooKeeper at [{self.config.host}] did not answer within {timeout_s:g} s; see druid.zk.service.host"
            )
        return client

    def is_live(self) -> bool:
        """Whether the session lives for sure: the server answered what was asked less than 2/3 of its time ago.

        False at once in a process that was stopped or starved for longer, whatever it has noticed of that.
        """
        return self._state.live(self._clock.monotonic())

    @property
    def is_used(self) -> bool:
        """Whether anybody has asked for a connection."""
        return self._client is not None

    @property
    def suspensions(self) -> int:
        """How often the session was suspended; the same number twice means that nothing happened in between."""
        return self._state.suspensions

    @property
    def session_s(self) -> float:
        """For how many seconds the server keeps a session of which it hears nothing, as last granted."""
        return self._state.timeout_s

    @property
    def session_id(self) -> int | None:
        """The id of the session, None when there is none."""
        return self._client.session_id if self._client is not None else None

    def is_own_session(self, session_id: int) -> bool:
        """Whether the session is this one, or an earlier one of this object."""
        return session_id in self._state.sessions

    def add_session_listener(self, listener: SessionListener) -> None:
        """Tell the listener of everything from now on."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def remove_session_listener(self, listener: SessionListener) -> None:
        """Tell the listener no more; does nothing when it is not listed."""
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

    def before_stop(self, call: Callable[[], None]) -> None:
        """Have the function called when the connection is about to be closed; for what has no life cycle of its own."""
        with self._lock:
            self._before_stop.append(call)

    @property
    def is_closed(self) -> bool:
        """Whether `stop` was called."""
        return self._closed

    @lifecycle_stop
    def stop(self) -> None:
        """End the session: its ephemeral nodes go at once. It cannot be started again."""
        with self._lock:
            before_stop, self._before_stop = self._before_stop, []
        for call in before_stop:
            call()
        with self._lock:
            self._closed = True
            client = self._client
        self._heartbeats.shutdown()
        self._events.shutdown()
        if client is not None:
            _close(client)

    # ---- the session

    def _started(self) -> CuratorClient:
        with self._lock:
            if self._closed:
                raise _unavailable("The connection to ZooKeeper is closed")
            if self._client is None:
                self._client = client = self._make()
                client.add_listener(self._state_changed)
                client.start_async()
                self._next_beat(client, 0)
            return self._client

    def _make(self) -> CuratorClient:
        if not self.config.enabled:
            raise _unavailable("ZooKeeper is disabled: druid.zk.service.enabled is false")
        from nemeton.discovery.zookeeper.client import CuratorClient

        credentials = self.config.credentials()
        return CuratorClient(
            self.config.host,
            self.config.session_timeout_ms / 1000,
            self._clock,
            self._state.granted,
            credentials=(self.config.auth_scheme, credentials) if credentials else None,
            acl=self.config.acl,
        )

    def _state_changed(self, kazoo_state: str) -> None:
        """On kazoo's own thread: note it at once, tell the listeners on theirs."""
        if self._closed:
            return
        if kazoo_state == "CONNECTED":
            assert self._client is not None
            self._state.connected(self._client.session_id)
            self._connected_once.set()
            self._soon(self._tell_reconnected)
        elif kazoo_state == "SUSPENDED":
            self._suspend()
        else:
            self._suspend()
            self._soon(self._tell_lost)

    def _suspend(self) -> None:
        self._state.suspended()
        self._soon(self._tell_suspended)

    # ---- telling, on the listeners' thread

    def _tell_suspended(self) -> None:
        if self._state.told != "connected":
            return
        log.warning("The connection to ZooKeeper at [%s] is suspended", self.config.host)
        self._state.told = "suspended"
        self._state.expiry = self._events.schedule(self._tell_lost, self._state.timeout_s)
        self._tell("suspended", lambda listener: listener.suspended())

    def _tell_lost(self) -> None:
        if self._state.told != "suspended":
            return
        log.warning("The session with ZooKeeper at [%s] is lost", self.config.host)
        self._state.told = "lost"
        self._tell("lost", lambda listener: listener.lost())

    def _tell_reconnected(self) -> None:
        if self._state.told == "connected":
            return
        if self._state.expiry is not None:
            self._state.expiry.cancel()
        first, self._state.told = self._state.told == "new", "connected"
        if not first:
            log.info("Connected to ZooKeeper at [%s] again", self.config.host)
            self._tell("reconnected", lambda listener: listener.reconnected())

    def _tell(self, what: str, call: Callable[[SessionListener], None]) -> None:
        for listener in self._listeners:
            try:
                call(listener)
            except Exception:
                log.exception("Session listener %r failed on [%s]", listener, what)

    def _soon(self, call: Callable[[], None]) -> None:
        if not self._events.schedule_if_running(call, 0):
            log.debug("The connection to ZooKeeper is closed; nobody is told")

    # ---- heartbeats: they tell what is known of the session, and end connections that are silent

    def _beat(self, client: CuratorClient) -> None:
        try:
            if client.gave_up:
                log.error("The client of ZooKeeper gave up ([%s]); it is started again", client.client_state)
                client.start_async()
            elif client.connected:
                self._check(client)
        finally:
            self._next_beat(client, self._state.timeout_s / _HEARTBEATS_PER_SESSION)

    def _next_beat(self, client: CuratorClient, delay_s: float) -> None:
        self._heartbeats.schedule_if_running(lambda: self._beat(client), delay_s)

    def _check(self, client: CuratorClient) -> None:
        if not self.is_live():
            log.warning("ZooKeeper at [%s] is silent; the connection is given up", self.config.host)
            self._suspend()
            client.drop_connection()
            return
        asked_at = self._clock.monotonic()

        def answered(result: Any) -> None:
            if result.successful():
                self._state.answered(asked_at)

        client.exists_async("/").rawlink(answered)


class _State:
    """What is known of the session; `told` belongs to the listeners' thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.told = "new"
        self.expiry: Scheduled | None = None
        self.sessions: set[int] = set()
        self.timeout_s = 1.0
        self.suspensions = 0
        self._connected = False
        self._alive_at = 0.0

    def granted(self, asked_at: float, timeout_s: float) -> None:
        with self._lock:
            self.timeout_s = timeout_s
            self._alive_at = asked_at

    def connected(self, session_id: int | None) -> None:
        with self._lock:
            self._connected = True
            if session_id is not None:
                self.sessions.add(session_id)

    def suspended(self) -> None:
        with self._lock:
            self._connected = False
            self.suspensions += 1

    def answered(self, asked_at: float) -> None:
        """The server has answered what it was asked at that time, so that the session lived then."""
        with self._lock:
            self._alive_at = max(self._alive_at, asked_at)

    def live(self, now: float) -> bool:
        with self._lock:
            return self._connected and now - self._alive_at < self.timeout_s * _LIVE


def _unavailable(message: str) -> DruidException:
    return DruidException(message, persona="OPERATOR", category="RUNTIME_FAILURE", error_code="zookeeper")


def _close(client: CuratorClient) -> None:
    try:
        client.end()
    except Exception as failure:  # noqa: BLE001 - the server ends the session by itself then
        log.warning("Closing the connection to ZooKeeper failed: %r", failure)
