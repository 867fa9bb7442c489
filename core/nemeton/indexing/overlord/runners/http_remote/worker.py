"""A worker that is followed by long poll."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nemeton.common.clock import Clock
from nemeton.emitter import ServiceEmitter
from nemeton.http.change_sync import ChangeRequestHttpSyncer
from nemeton.http.client import EscalatedHttpClient
from nemeton.indexing.announcements import WorkerHistoryItem
from nemeton.indexing.overlord.runners.config import HttpRemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.holder import WorkerHolder
from nemeton.indexing.overlord.runners.worker_client import worker_url
from nemeton.json import Json
from nemeton.model import Worker

SYNC_PATH = "/druid-internal/v1/worker"

#: Called on the syncer's thread with the worker, what it says, and whether that is all there is.
OnSync = Callable[["HttpWorkerHolder", Sequence[WorkerHistoryItem], bool], None]


class HttpWorkerHolder(WorkerHolder):
    """A worker and its syncer.

    ``is_initialized``: it has told of all its tasks. Before that, and while it says that it is disabled, it is not
    ready. ``set_aside_at``: when it could not be reached last, on the monotonic clock.
    """

    def __init__(self, worker: Worker, now: int, on_sync: OnSync) -> None:
        super().__init__(worker, now, is_ready=False)
        self._on_sync = on_sync
        self.syncer: ChangeRequestHttpSyncer[WorkerHistoryItem] | None = None
        self.is_initialized = False
        self.set_aside_at = 0.0

    def full_sync(self, changes: Sequence[WorkerHistoryItem]) -> None:
        """See :class:`ChangeListener`."""
        self._on_sync(self, changes, True)

    def delta_sync(self, changes: Sequence[WorkerHistoryItem]) -> None:
        """See :class:`ChangeListener`."""
        self._on_sync(self, changes, False)

    def stop(self) -> None:
        """Follow it no more."""
        if self.syncer is not None:
            self.syncer.stop()


class WorkerSyncers:
    """Makes the syncers."""

    def __init__(
        self,
        config: HttpRemoteTaskRunnerConfig,
        http: EscalatedHttpClient,
        json: Json,
        clock: Clock,
        emitter: ServiceEmitter,
    ) -> None:
        self._config = config
        self._http = http
        self._json = json
        self._clock = clock
        self._emitter = emitter

    def follow(self, holder: HttpWorkerHolder) -> None:
        """Begin to follow the worker."""
        holder.syncer = ChangeRequestHttpSyncer(
            self._http,
            self._json,
            self._clock,
            base_url=worker_url(holder.worker, ""),
            path=SYNC_PATH,
            change_type=WorkerHistoryItem,
            listener=holder,
            timeout_s=self._config.sync_request_timeout.to_seconds(),
            alert_after_s=self._config.server_unstability_timeout.to_seconds(),
            emitter=self._emitter,
        )
        holder.syncer.start()
