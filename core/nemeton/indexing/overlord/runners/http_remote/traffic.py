"""What goes over HTTP between the Overlord and its workers: one long poll each, and tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.emitter import ServiceEmitter
from nemeton.http.client import HttpClientError, HttpResponse
from nemeton.http.loop import EventLoopThread
from nemeton.http.loop_client import LoopHttpClient
from nemeton.http.loop_sync import LoopChangeSyncer
from nemeton.http.pool import HandlerPool
from nemeton.indexing.announcements import WorkerHistoryItem, without_overtaken
from nemeton.indexing.overlord.runners.assigner import Delivery
from nemeton.indexing.overlord.runners.config import HttpRemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.http_remote.pace import PollPace
from nemeton.indexing.overlord.runners.http_remote.worker import HttpWorkerHolder
from nemeton.indexing.overlord.runners.worker_client import worker_url
from nemeton.json import Json
from nemeton.model import Worker
from nemeton.spi.auth import Escalator

log = logging.getLogger(__name__)

SYNC_PATH = "/druid-internal/v1/worker"
ASSIGN_PATH = "/druid-internal/v1/worker/assignTask"

#: Answers of a worker that has looked at the task and will not have it.
_REFUSALS = (400, 415)
#: Answers of a worker, or of something on the way, that has not looked at the task.
_NOT_LOOKED_AT = (401, 403, 404, 405, 429, 503)
_STOP_TIMEOUT_S = 5.0


class TaskRefusedError(Exception):
    """The worker cannot make sense of the task."""


class WorkerTraffic:
    """An event loop of its own for as long as the runner runs: a thousand workers cost no thousand threads.

    Thread-safe.
    """

    def __init__(
        self,
        config: HttpRemoteTaskRunnerConfig,
        escalator: Escalator,
        json: Json,
        clock: Clock,
        emitter: ServiceEmitter,
        count_workers: Callable[[], int],
    ) -> None:
        self._pace = PollPace(count_workers)
        self._config = config
        self._json = json
        self._clock = clock
        self._emitter = emitter
        self._loop = EventLoopThread("httpRemote-workers")
        self._client = LoopHttpClient(json=json, credentials=escalator.headers)
        self._running: dict[TaskRequest, asyncio.Task[None]] = {}  # the loop itself forgets what it runs
        self._pool = HandlerPool("httpRemote-sync", config.worker_sync_num_threads, queue_size=0)

    def close(self) -> None:
        """Give everything up, within a bound."""
        self._loop.loop.call_soon_threadsafe(self._client.close)
        self._loop.stop(_STOP_TIMEOUT_S)
        self._pool.close()

    def follow(self, holder: HttpWorkerHolder) -> None:
        """Begin to follow the worker."""
        holder.syncer = LoopChangeSyncer(
            self._loop,
            self._client,
            self._pool,
            self._json,
            self._clock,
            self._pace.pause,
            base_url=worker_url(holder.worker, ""),
            path=SYNC_PATH,
            change_type=WorkerHistoryItem,
            listener=holder,
            timeout_s=self._config.sync_request_timeout.to_seconds(),
            alert_after_s=self._config.server_unstability_timeout.to_seconds(),
            emitter=self._emitter,
            worth_reading=without_overtaken,
        )
        holder.syncer.start()

    def assign(self, requests: Sequence[TaskRequest]) -> None:
        """Begin to post tasks, and return."""
        loop = self._loop.loop

        def begin() -> None:
            for request in requests:
                self._running[request] = loop.create_task(self._assign(request))

        loop.call_soon_threadsafe(begin)

    async def _assign(self, request: TaskRequest) -> None:
        try:
            outcome: Delivery | Exception = await self._try_to_assign(request)
        except Exception as failure:  # noqa: BLE001 - it belongs to the task
            outcome = failure
        finally:
            self._running.pop(request, None)
        request.done(outcome)

    async def _try_to_assign(self, request: TaskRequest) -> Delivery:
        """With retries. As in Druid, a task that may have reached the worker counts as given."""
        backoff: Backoff | None = None
        outcome = Delivery.NOT_GIVEN
        tries = self._config.assign_request_max_retries
        for attempt in range(1, tries + 1):
            if not request.is_wanted():
                break
            reached, reason = await self._post(request)
            if reason is None:
                return Delivery.GIVEN
            perhaps_given = reached or outcome is Delivery.GIVEN
            outcome = Delivery.GIVEN if perhaps_given else Delivery.UNREACHABLE
            log.info("Try %d to assign %s failed: %s", attempt, request, reason)
            if attempt < tries:
                backoff = backoff or Backoff(initial_s=0.2, max_s=5.0)
                await asyncio.sleep(backoff.next_delay())
        if outcome is Delivery.GIVEN:
            log.warning("Not sure whether the worker has got %s", request)
        return outcome

    async def _post(self, request: TaskRequest) -> tuple[bool, str | None]:
        """Whether the task may have reached the worker, and why it is not known to have."""
        try:
            answer = await self._client.request(
                "POST",
                worker_url(request.worker, ASSIGN_PATH),
                body=request.body,
                headers={"Content-Type": "application/json"},
                timeout_s=self._config.assign_request_http_timeout.to_seconds(),
            )
        except HttpClientError as failure:
            return not failure.unsent, str(failure)
        if answer.status in _REFUSALS:
            raise TaskRefusedError(f"{request} was refused: {_said(answer)}")
        if answer.status == 200:
            return True, None
        return answer.status not in _NOT_LOOKED_AT, _said(answer)


class TaskRequest:
    """One task on its way to a worker. ``is_wanted`` and ``done`` are called on the loop and must not wait."""

    def __init__(
        self,
        worker: Worker,
        task_id: str,
        body: bytes,
        is_wanted: Callable[[], bool],
        done: Callable[[Delivery | Exception], None],
    ) -> None:
        self.worker = worker
        self.body = body
        self.is_wanted = is_wanted
        self.done = done
        self._task_id = task_id

    def __str__(self) -> str:
        return f"task [{self._task_id}] to worker [{self.worker.host}]"


def _said(answer: HttpResponse) -> str:
    return f"{answer.status} {answer.text[:500]}"
