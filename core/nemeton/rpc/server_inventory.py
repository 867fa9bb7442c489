"""The data servers of the cluster and what is on each, followed by long polls (Druid's HttpServerInventoryView)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from attrs import define, field, frozen

from nemeton.common.clock import Clock
from nemeton.emitter import ServiceEmitter
from nemeton.http.change_sync import ChangeRequestHttpSyncer
from nemeton.http.client import EscalatedHttpClient
from nemeton.json import Json
from nemeton.model import DataNodeService, DataSegment, DiscoveryDruidNode, DruidServerMetadata, SegmentId
from nemeton.spi.discovery import DruidNodeDiscoveryProvider, NodeListener
from nemeton.time import Period

log = logging.getLogger(__name__)

_PATH = "/druid-internal/v1/segments"
_FIRST_SYNCS_S = 60.0
"""How long a start waits for the first lists of all servers."""

_FOUR_MINUTES, _ONE_MINUTE = Period.parse("PT4M"), Period.parse("PT1M")


@frozen
class HttpServerInventoryViewConfig:
    """How data servers are followed: how long they may hold a poll, and after how long a failing one is an alert."""

    server_timeout: Period = _FOUR_MINUTES
    server_unstability_timeout: Period = _ONE_MINUTE


@define(eq=False)
class DruidServer:
    """A data server and what it holds. `segments` gives a copy; thread-safe."""

    metadata: DruidServerMetadata
    is_synced: bool = False
    """Whether it has told of all its segments at least once."""
    _segments: dict[SegmentId, DataSegment] = field(factory=dict)
    _lock: threading.Lock = field(factory=threading.Lock)

    @property
    def name(self) -> str:
        """``host:port``, by which the server is known everywhere."""
        return self.metadata.name

    @property
    def segments(self) -> dict[SegmentId, DataSegment]:
        """A copy of what it serves now."""
        with self._lock:
            return dict(self._segments)

    def get(self, segment_id: SegmentId) -> DataSegment | None:
        """The segment, if it is served there."""
        return self._segments.get(segment_id)

    @property
    def current_size(self) -> int:
        """Bytes of what it serves."""
        with self._lock:
            return sum(segment.size for segment in self._segments.values())

    def put(self, segment: DataSegment) -> bool:
        """Note a segment; False when it was known."""
        with self._lock:
            known = segment.id in self._segments
            self._segments[segment.id] = segment
            return not known

    def remove(self, segment_id: SegmentId) -> DataSegment | None:
        """Forget a segment; None when it was not known."""
        with self._lock:
            return self._segments.pop(segment_id, None)


class ServerViewListener:
    """Hears of servers and segments, from several threads, for one server in order. Exceptions are logged."""

    def server_added(self, server: DruidServer) -> None:
        """A data server has come; its segments follow."""

    def server_synced(self, server: DruidServer) -> None:
        """All segments of the server were told of."""

    def server_removed(self, server: DruidServer) -> None:
        """A data server has gone; its segments were told of as removed."""

    def segment_added(self, server: DruidServer, segment: DataSegment) -> None:
        """The server serves the segment."""

    def segment_removed(self, server: DruidServer, segment: DataSegment) -> None:
        """The server serves the segment no more."""

    def initialized(self) -> None:
        """All servers that were there at the start have told of all their segments (or could not, in time)."""


@frozen
class SyncState:
    """Whether a data server is followed well, and for how many seconds every try has failed."""

    server: DruidServerMetadata
    is_synced: bool
    unstable_s: float


@frozen
class _Change:
    """A change as it stands on the wire; kinds that are not known are passed over."""

    action: str
    segment: DataSegment | None

    @classmethod
    def from_json(cls, value: Any, json: Json) -> _Change:
        action = value.get("action", "")
        return cls(action, json.structure(value, DataSegment) if action in ("load", "drop") else None)


class HttpServerInventoryView:
    """Finds data servers through discovery and follows the segment list of each. Thread-safe.

    A server that goes takes its segments with it; one that does not answer keeps them until discovery drops it.
    Listeners are added before `start`.
    """

    def __init__(
        self,
        provider: DruidNodeDiscoveryProvider,
        client: EscalatedHttpClient,
        json: Json,
        clock: Clock,
        config: HttpServerInventoryViewConfig,
        emitter: ServiceEmitter,
    ) -> None:
        """Nothing is watched before `start`."""
        self._provider = provider
        self._client = client
        self._json = json
        self._clock = clock
        self._config = config
        self._emitter = emitter
        self._servers: dict[str, tuple[DruidServer, ChangeRequestHttpSyncer[_Change]]] = {}
        self._listeners: list[ServerViewListener] = []
        self._lock = threading.RLock()
        self._initialized = threading.Event()
        self._nodes = _Nodes(self)
        self._stopped = False

    def add_listener(self, listener: ServerViewListener) -> None:
        """Tell the listener of everything from the start on."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Begin to watch; returns at once, see `wait_until_initialized`."""
        self._provider.get_for_service(DataNodeService.NAME).register_listener(self._nodes)

    def stop(self) -> None:
        """Watch no more."""
        with self._lock:
            self._stopped = True
            syncers = [syncer for _, syncer in self._servers.values()]
        self._provider.get_for_service(DataNodeService.NAME).remove_listener(self._nodes)
        for syncer in syncers:
            syncer.stop()

    @property
    def is_initialized(self) -> bool:
        """Whether the first view is complete."""
        return self._initialized.is_set()

    def wait_until_initialized(self, timeout_s: float) -> bool:
        """Wait for the first view, at most so many seconds; whether it is complete."""
        return self._initialized.wait(timeout_s)

    @property
    def servers(self) -> list[DruidServer]:
        """All servers known, also those that have not told of their segments yet."""
        with self._lock:
            return [server for server, _ in self._servers.values()]

    def server(self, name: str) -> DruidServer | None:
        """The server of that name."""
        with self._lock:
            found = self._servers.get(name)
            return found[0] if found else None

    def is_synced(self, name: str) -> bool:
        """Whether the server has told of all its segments."""
        with self._lock:
            found = self._servers.get(name)
            return found is not None and found[0].is_synced

    def sync_states(self) -> list[SyncState]:
        """How well each server is followed at the moment."""
        with self._lock:
            servers = list(self._servers.values())
        return [SyncState(server.metadata, syncer.is_synced, syncer.unstable_s) for server, syncer in servers]

    # ---- what discovery says

    def node_added(self, node: DiscoveryDruidNode) -> None:
        """Begin to follow a server."""
        server = DruidServer(node.to_server_metadata())
        syncer: ChangeRequestHttpSyncer[_Change] = ChangeRequestHttpSyncer(
            self._client,
            self._json,
            self._clock,
            base_url=server.metadata.base_url,
            path=_PATH,
            change_type=_Change,
            listener=_ServerChanges(self, server),
            timeout_s=self._config.server_timeout.to_seconds(),
            alert_after_s=self._config.server_unstability_timeout.to_seconds(),
            emitter=self._emitter,
        )
        with self._lock:
            if self._stopped or server.name in self._servers:
                return
            self._servers[server.name] = (server, syncer)
        self.tell("server_added", server)
        syncer.start()

    def node_removed(self, node: DiscoveryDruidNode) -> None:
        """Follow a server no more and forget its segments."""
        with self._lock:
            found = self._servers.pop(node.to_server_metadata().name, None)
        if found is None:
            return
        server, syncer = found
        syncer.stop()
        for segment in server.segments.values():
            server.remove(segment.id)
            self.tell("segment_removed", server, segment)
        self.tell("server_removed", server)

    def nodes_complete(self) -> None:
        """Discovery has told of all nodes: wait, on a thread, for the first list of each, and say that all is known."""
        with self._lock:
            syncers = [syncer for _, syncer in self._servers.values()]

        def wait() -> None:
            deadline = self._clock.monotonic() + _FIRST_SYNCS_S
            for syncer in syncers:
                if not syncer.wait_until_first_sync(max(0.0, deadline - self._clock.monotonic())):
                    log.warning("%s has not told of its segments in time", syncer.base_url)
            self._initialized.set()
            self.tell("initialized")

        threading.Thread(target=wait, name="inventory-initialization", daemon=True).start()

    def is_current(self, server: DruidServer) -> bool:
        """Whether it is still followed, and not gone or replaced."""
        with self._lock:
            found = self._servers.get(server.name)
            return found is not None and found[0] is server

    def tell(self, what: str, *args: Any) -> None:
        """Call each listener; what one raises does not keep the others from hearing."""
        for listener in self._listeners:
            try:
                getattr(listener, what)(*args)
            except Exception:
                log.exception("A listener of the inventory failed at %s", what)


class _Nodes(NodeListener):
    """Discovery's words, handed on."""

    def __init__(self, view: HttpServerInventoryView) -> None:
        self._view = view

    def nodes_added(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        for node in nodes:
            self._view.node_added(node)

    def nodes_removed(self, nodes: Sequence[DiscoveryDruidNode]) -> None:
        for node in nodes:
            self._view.node_removed(node)

    def node_view_initialized(self) -> None:
        self._view.nodes_complete()

    def node_view_initialized_timed_out(self) -> None:
        self._view.nodes_complete()


class _ServerChanges:
    """One server's changes, put into its `DruidServer` and told to the listeners."""

    def __init__(self, view: HttpServerInventoryView, server: DruidServer) -> None:
        self._view = view
        self._server = server

    def full_sync(self, changes: Sequence[_Change]) -> None:
        """Tell of what is new and of what is no more."""
        now = {change.segment.id: change.segment for change in changes if change.segment is not None}
        for segment_id in self._server.segments.keys() - now.keys():
            self._remove(segment_id)
        for segment in now.values():
            self._add(segment)
        self._server.is_synced = True
        self._view.tell("server_synced", self._server)

    def delta_sync(self, changes: Sequence[_Change]) -> None:
        """Tell of each change in order."""
        for change in changes:
            if change.segment is None:
                continue
            if change.action == "load":
                self._add(change.segment)
            else:
                self._remove(change.segment.id)

    def _add(self, segment: DataSegment) -> None:
        if self._view.is_current(self._server) and self._server.put(segment):
            self._view.tell("segment_added", self._server, segment)

    def _remove(self, segment_id: SegmentId) -> None:
        segment = self._server.remove(segment_id)
        if segment is not None:
            self._view.tell("segment_removed", self._server, segment)
