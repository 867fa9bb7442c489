"""The lookups of one node (Druid: ``LookupReferencesManager``)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.errors import capacity_exceeded
from nemeton.inject import Injector
from nemeton.json import Json
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.lookups.config import LookupConfig
from nemeton.lookups.notices import DropNotice, Loaded, LoadNotice, Notice, Workshop, destroy
from nemeton.lookups.scope import LookupScope
from nemeton.lookups.snapshot import LookupSnapshotTaker, Specifications
from nemeton.lookups.state import AnyLookupsState, LookupExtractorFactoryContainer
from nemeton.rpc.client import RetryPolicy
from nemeton.rpc.coordinator import CoordinatorClient
from nemeton.rpc.errors import RpcError
from nemeton.spi.lookup_loading import LoadingMode
from nemeton.spi.lookups import LookupContext, LookupExtractor

log = logging.getLogger(__name__)

_MAX_PENDING = 10_000
_FETCH_TIMEOUT_S = 10.0
_AWAIT_FIRST_S = 300.0
_STOP_S = 5.0


class LookupReferencesManager:
    """Loads and drops lookups on a thread of its own, as it is told; a `LookupProvider`. Thread-safe.

    It starts with what the Coordinator says, or else with its snapshot, and then takes changes (`add`, `remove`). A
    node serves when its first lookups are loaded or were given up; in a peon only who asks for a lookup waits for them.
    """

    def __init__(
        self,
        config: LookupConfig,
        scope: LookupScope,
        coordinator: CoordinatorClient,
        json: Json,
        clock: Clock,
        injector: Injector,
    ) -> None:
        """All are the role's."""
        self._config = config
        self._scope = scope
        self._coordinator = coordinator.with_policy(
            RetryPolicy(deadline_s=_FETCH_TIMEOUT_S, request_timeout_s=_FETCH_TIMEOUT_S, max_attempts=1)
        )
        self._json = json
        self._clock = clock
        self._snapshots: LookupSnapshotTaker | None = None
        if config.snapshot_working_dir and not scope.is_peon:  # a peon has fewer, and is not started again
            self._snapshots = LookupSnapshotTaker(Path(config.snapshot_working_dir), json)
        self._changed = threading.Condition()
        self._lookups: Loaded = {}
        self._pending: list[Notice] = []
        self._being_handled: list[Notice] = []
        self._awaited: Loaded = {}
        self._first_loaded = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._loaders = ThreadPoolExecutor(config.num_lookup_loading_threads, "lookup-loader")
        self._workshop = Workshop(
            context=LookupContext(clock=clock, json=json, get=injector.get),
            clock=clock,
            tries=config.lookup_start_retries,
            stopped=self._stopped,
            await_on_the_side=self._await_on_the_side,
            add=self._add_started,
        )

    @property
    def tier(self) -> str:
        """The tier whose lookups are loaded here."""
        return self._config.tier(self._scope.data_source)

    # ---- life

    @lifecycle_start
    def start(self) -> None:
        """Load the first lookups, and then what is told."""
        tier = self.tier
        self._thread = threading.Thread(target=self._run, args=(tier,), name="lookup-manager", daemon=True)
        self._thread.start()
        if not self._scope.is_peon:
            self._await_first()

    @lifecycle_stop
    def stop(self) -> None:
        """Load no more, and close all lookups."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_STOP_S)
        self._loaders.shutdown(wait=False, cancel_futures=True)
        for name, container in self._lookups.items():
            try:
                container.lookup_extractor_factory.close()
            except Exception:
                log.exception("Lookup [%s] cannot be closed", name)

    def _run(self, tier: str) -> None:
        try:
            self._load_first(tier)
        except Exception:
            log.exception("The first lookups of tier [%s] could not be loaded", tier)
        finally:
            self._first_loaded.set()
        while not self._stopped.is_set():
            with self._changed:
                while not self._pending and not self._stopped.is_set():
                    self._changed.wait()
            try:
                self.handle_pending_notices()
            except Exception:
                log.exception("Handling what is told of lookups failed")

    # ---- the first lookups

    def _load_first(self, tier: str) -> None:
        if self._scope.loading.mode is LoadingMode.NONE:
            return
        specifications = self._fetch(tier) if self._config.enable_lookup_sync_on_startup else None
        is_fetched = specifications is not None
        if specifications is None:
            specifications = self._snapshots.pull_existing_snapshot(tier) if self._snapshots is not None else {}
        wanted = {name: given for name, given in specifications.items() if self._scope.loading.allows(name)}
        containers = read_specifications(wanted, self._json)
        started = dict(self._loaders.map(self._start_one, containers.items()))
        with self._changed:
            self._lookups = {name: container for name, container in containers.items() if started[name]}
        if is_fetched and self._snapshots is not None:  # Druid waits for the first change
            self._snapshots.take_snapshot(tier, self._lookups)

    def _start_one(self, item: tuple[str, LookupExtractorFactoryContainer]) -> tuple[str, bool]:
        name, container = item
        try:
            self._workshop.start(name, container)
        except Exception:
            log.exception("Lookup [%s] could not be started", name)
            return name, False
        return name, True

    def _fetch(self, tier: str) -> Specifications | None:
        """What the Coordinator says; None when there is none, or none that answers."""
        backoff = Backoff(initial_s=0.2, max_s=5.0)
        for left in range(self._config.coordinator_fetch_retries - 1, -1, -1):
            try:
                return self._coordinator.fetch_lookups_for_tier(tier)
            except Exception as failure:  # noqa: BLE001 - there is the snapshot
                is_nobody_there = isinstance(failure, RpcError) and not failure.tried
                log.info("The lookups of tier [%s] cannot be fetched from the Coordinator: %s", tier, failure)
                if is_nobody_there or not left or self._stopped.is_set():
                    return None
            pause = backoff.next_delay() + self._config.coordinator_retry_delay / 1000
            self._clock.wait(self._stopped, pause)
        return None

    def _await_first(self) -> None:
        if not self._first_loaded.wait(_AWAIT_FIRST_S):
            log.error("The first lookups are not loaded after %d s; serving without them", _AWAIT_FIRST_S)

    # ---- changes

    def add(self, name: str, container: LookupExtractorFactoryContainer) -> None:
        """Load a lookup soon, unless this node's task has no use for it."""
        if not self._scope.loading.allows(name):
            log.info("Lookup [%s] is not loaded: mode [%s]", name, self._scope.loading.mode.value)
            return
        awaited = self._awaited.get(name)
        if awaited is not None and not container.replaces(awaited):
            return
        self._tell(LoadNotice(name, container))

    def _add_started(self, name: str, container: LookupExtractorFactoryContainer) -> None:
        self._tell(LoadNotice(name, container, is_started=True))

    def remove(self, name: str) -> None:
        """Drop a lookup soon; nothing happens when there is none."""
        self._tell(DropNotice(name))

    def _tell(self, notice: Notice) -> None:
        with self._changed:
            if len(self._pending) > _MAX_PENDING:
                raise capacity_exceeded(f"There are too many [{len(self._pending)}] pendingNotices.")
            self._pending.append(notice)
            self._changed.notify_all()

    def _await_on_the_side(
        self, name: str, container: LookupExtractorFactoryContainer, work: Callable[[], None]
    ) -> None:
        with self._changed:
            self._awaited[name] = container

        def run() -> None:
            try:
                work()
            finally:
                with self._changed:
                    if self._awaited.get(name) is container:
                        del self._awaited[name]

        self._loaders.submit(run)

    def handle_pending_notices(self) -> None:
        """Do what was told since the last time, in order; a failure leaves out one lookup and no other."""
        with self._changed:
            self._being_handled, self._pending = self._pending, []
            notices = list(self._being_handled)
        for notice in notices:
            self._handle(notice)
        if notices and self._snapshots is not None:
            self._snapshots.take_snapshot(self.tier, self._lookups)

    def _handle(self, notice: Notice) -> None:
        lookups, retired = dict(self._lookups), None
        try:
            retired = notice.handle(lookups, self._workshop)
        except Exception:
            log.exception("Lookup [%s]: %s failed", notice.name, type(notice).__name__)
        with self._changed:
            self._lookups = lookups
            self._being_handled.remove(notice)
        if retired is not None:
            destroy(notice.name, retired)

    # ---- what is here

    def get(self, name: str) -> LookupExtractor | None:
        """See `LookupProvider`."""
        container = self.container(name)
        return None if container is None else container.lookup_extractor_factory.get()

    def names(self) -> list[str]:
        """See `LookupProvider`."""
        return list(self._lookups)

    def container(self, name: str) -> LookupExtractorFactoryContainer | None:
        """A lookup that is loaded; waits for the first ones."""
        if not self._first_loaded.is_set() and self._thread is not None:
            self._await_first()
        return self._lookups.get(name)

    def state(self) -> AnyLookupsState:
        """All that is loaded and under way; no lookup is both to be loaded and to be dropped."""
        to_drop: set[str] = set()
        with self._changed:
            to_load = dict(self._awaited)
            for notice in (*self._being_handled, *self._pending):
                if notice.container is not None:
                    to_load[notice.name] = notice.container
                    to_drop.discard(notice.name)
                else:
                    to_load.pop(notice.name, None)
                    to_drop.add(notice.name)
            return AnyLookupsState(dict(self._lookups), to_load, frozenset(to_drop))


def read_specifications(given: Mapping[str, Any], json: Json) -> Loaded:
    """The lookups that can be read; the others are logged: of a kind that no extension here has, perhaps."""
    found: Loaded = {}
    for name, specification in given.items():
        try:
            found[name] = json.structure(specification, LookupExtractorFactoryContainer)
        except Exception as failure:  # noqa: BLE001 - the others are of use without it
            log.warning("Lookup [%s] cannot be read, please check its configuration: %s", name, failure)
    return found
