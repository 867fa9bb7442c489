"""Discovery and leader selection among the roles of one process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from attrs import define

from nemeton.common.clock import Clock
from nemeton.common.folder_lock import FolderLock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.leader import LatchLeaderSelector, LeaderLatch
from nemeton.discovery.services import BaseNodeDiscoveryProvider
from nemeton.discovery.watcher import BaseNodeRoleWatcher
from nemeton.emitter import ServiceEmitter
from nemeton.inject import Injector
from nemeton.model import DiscoveryDruidNode, DruidNode, NodeRole
from nemeton.plugins import json_type
from nemeton.spi.discovery import (
    DiscoveryKind,
    DruidLeaderSelector,
    DruidNodeAnnouncer,
    DruidNodeDiscoveryProvider,
    LeaderSelectorKind,
)

log = logging.getLogger(__name__)


@define(eq=False)
class _Candidate:
    id: str
    gained: Callable[[], None]
    lost: Callable[[], None]


class LocalDiscoveryHub:
    """What the roles of one process know of each other: one per process, in the parent injector. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._nodes: dict[tuple[NodeRole, str], DiscoveryDruidNode] = {}
        self._watchers: dict[NodeRole, list[BaseNodeRoleWatcher]] = {}
        self._candidates: dict[str, list[_Candidate]] = {}
        self._locks: dict[str, tuple[FolderLock, int]] = {}

    # ---- nodes

    def announce(self, node: DiscoveryDruidNode) -> None:
        """Tell all watchers; an announcement under the same name in the same role is taken back first."""
        key = (node.node_role, node.druid_node.host_and_port_to_use)
        with self._lock:
            if key in self._nodes:
                self.unannounce(self._nodes[key])
            self._nodes[key] = node
            for watcher in self._watchers.get(node.node_role, ()):
                watcher.node_added(node)

    def unannounce(self, node: DiscoveryDruidNode) -> None:
        """Tell all watchers that it is gone; nothing when it is not announced."""
        with self._lock:
            known = self._nodes.pop((node.node_role, node.druid_node.host_and_port_to_use), None)
            if known is not None:
                for watcher in self._watchers.get(node.node_role, ()):
                    watcher.node_removed(known)

    def watch(self, watcher: BaseNodeRoleWatcher) -> None:
        """Feed the watcher with what is announced, now and from now on."""
        with self._lock:
            for node in [node for (role, _), node in self._nodes.items() if role == watcher.role]:
                watcher.node_added(node)
            watcher.initialized()
            self._watchers.setdefault(watcher.role, []).append(watcher)

    def unwatch(self, watcher: BaseNodeRoleWatcher) -> None:
        """Feed the watcher no more."""
        with self._lock:
            watchers = self._watchers.get(watcher.role, [])
            self._watchers[watcher.role] = [other for other in watchers if other is not watcher]

    # ---- leaders: the first candidate of a service leads

    def enter(self, service: str, candidate: _Candidate) -> None:
        """Become a candidate; it leads at once when there is no other."""
        with self._lock:
            candidates = self._candidates.setdefault(service, [])
            candidates.append(candidate)
            if candidates[0] is candidate:
                candidate.gained()

    def leave(self, service: str, candidate: _Candidate) -> None:
        """Be no candidate any more; the next in line leads then."""
        with self._lock:
            candidates = self._candidates.get(service, [])
            led = bool(candidates) and candidates[0] is candidate
            if candidate in candidates:
                candidates.remove(candidate)
            if led and candidates:
                candidates[0].gained()

    def keep_others_off(self, key: str, lock: FolderLock) -> None:
        """Hold a lock for as long as candidates of this process want it. Raises when another process has it."""
        with self._lock:
            held, users = self._locks.get(key, (lock, 0))
            if users == 0:
                held.acquire()
            self._locks[key] = (held, users + 1)

    def let_others_in(self, key: str) -> None:
        """One candidate wants the lock no more."""
        with self._lock:
            held, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = (held, users - 1)
            else:
                held.release()

    def leads(self, service: str, candidate: _Candidate) -> bool:
        """Whether this candidate is the first."""
        with self._lock:
            candidates = self._candidates.get(service)
            return bool(candidates) and candidates is not None and candidates[0] is candidate

    def leader_id(self, service: str) -> str | None:
        """The id of the candidate that leads; None without candidates."""
        with self._lock:
            candidates = self._candidates.get(service)
            return candidates[0].id if candidates else None

    def revoke(self, service: str) -> None:
        """Take the leadership from who has it, as a lapsed lease would; the others go on. For operators and tests."""
        with self._lock:
            candidates = self._candidates.get(service)
            if candidates:
                former = candidates[0]
                self.leave(service, former)
                former.lost()


class LocalAnnouncer(DruidNodeAnnouncer):
    """Announces through the hub: roles of this process see it, nobody else."""

    def __init__(self, hub: LocalDiscoveryHub) -> None:
        self._hub = hub

    def announce(self, node: DiscoveryDruidNode) -> None:
        """Announce to the roles of this process."""
        self._hub.announce(node)

    def unannounce(self, node: DiscoveryDruidNode) -> None:
        """Tell the watchers that the node has gone."""
        self._hub.unannounce(node)


class LocalNodeDiscoveryProvider(BaseNodeDiscoveryProvider):
    """Discovers what the hub knows; always initialised."""

    def __init__(self, hub: LocalDiscoveryHub, executor: ScheduledExecutor, clock: Clock) -> None:
        super().__init__()
        self._hub = hub
        self._executor = executor
        self._clock = clock
        self._watchers: list[BaseNodeRoleWatcher] = []

    def watch(self, role: NodeRole) -> BaseNodeRoleWatcher:
        """Watch a role through the hub."""
        watcher = BaseNodeRoleWatcher(role, self._executor, self._clock)
        self._watchers.append(watcher)
        self._hub.watch(watcher)
        return watcher

    def close(self) -> None:
        """End the watches; the nodes seen so far stay as they were."""
        for watcher in self._watchers:
            self._hub.unwatch(watcher)


@json_type("local")
class LocalDiscovery(DiscoveryKind):
    """Roles of one process find each other through its hub; the default."""

    def __init__(self, hub: LocalDiscoveryHub, clock: Clock) -> None:
        self._executor = ScheduledExecutor("node-discovery-listener", clock)
        self._announcer = LocalAnnouncer(hub)
        self._provider = LocalNodeDiscoveryProvider(hub, self._executor, clock)

    def announcer(self) -> DruidNodeAnnouncer:
        """The one of this role."""
        return self._announcer

    def provider(self) -> DruidNodeDiscoveryProvider:
        """The one of this role; `close` ends it."""
        return self._provider

    def close(self) -> None:
        """Stop the watches and the listeners' thread."""
        self._provider.close()
        self._executor.shutdown()


class LocalLatch(LeaderLatch):
    """A place in the hub's line of candidates, whose first one leads.

    ``sole_lock`` makes the lock that keeps candidates of other processes off; it is asked for in `start`.
    """

    def __init__(
        self,
        hub: LocalDiscoveryHub,
        service: str,
        participant: str,
        sole_lock: Callable[[], FolderLock | None] = lambda: None,
    ) -> None:
        self._hub = hub
        self._service = service
        self._participant = participant
        self._sole_lock = sole_lock
        self._locked = False
        self._candidate: _Candidate | None = None

    def start(self, gained: Callable[[], None], lost: Callable[[], None]) -> None:
        """Join the end of the line; ``gained`` is called at once when nobody is before it."""
        lock = self._sole_lock()
        if lock is not None:
            self._hub.keep_others_off(self._service, lock)
            self._locked = True
        self._candidate = _Candidate(self._participant, gained, lost)
        self._hub.enter(self._service, self._candidate)

    def close(self) -> None:
        """Leave the line; who comes next is told that it leads."""
        if self._candidate is not None:
            self._hub.leave(self._service, self._candidate)
        if self._locked:
            self._locked = False
            self._hub.let_others_in(self._service)

    def has_leadership(self) -> bool:
        """Whether it is the first in line."""
        return self._candidate is not None and self._hub.leads(self._service, self._candidate)

    def leader_id(self) -> str | None:
        """Who is the first in line."""
        return self._hub.leader_id(self._service)


@json_type("local")
class LocalLeaderSelection(LeaderSelectorKind):
    """Elections among the roles of one process; the default.

    Beside a metadata store that is a file, a lock for each service keeps a second process from electing a leader of
    its own.
    """

    def __init__(self, hub: LocalDiscoveryHub, clock: Clock, emitter: ServiceEmitter, injector: Injector) -> None:
        self._hub = hub
        self._clock = clock
        self._emitter = emitter
        self._injector = injector

    def selector(self, service: str, node: DruidNode) -> DruidLeaderSelector:
        """A selector for one service's election."""
        return LatchLeaderSelector(
            service,
            lambda: LocalLatch(self._hub, service, node.service_url, lambda: self._sole_lock(service)),
            clock=self._clock,
            emitter=self._emitter,
        )

    def _sole_lock(self, service: str) -> FolderLock | None:
        from nemeton.metadata.connector import MetadataStorageConnector

        if not self._injector.has(MetadataStorageConnector):
            return None
        connector = self._injector.get(MetadataStorageConnector)
        file = connector.dialect.local_file(connector.url)
        if file is None:
            return None
        mend = (
            f"it is the {service} over the metadata store [{file}], and leader selection of type [local] knows one "
            "process only: stop that process, or set druid.discovery.type=metadata for both, so that they take turns"
        )
        return FolderLock(file.parent.resolve(), mend, f".{file.name}.{service}.lock")
