"""What goes over HTTP between the Overlord and its workers: one long poll each, and tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.emitter import ServiceEmitter
from nemeton.http.client import HttpClientError, HttpResponse
from nemeton.http.loop import EventLoopThread
from nemeton.http.loop_client import LoopHttpClient
from nemeton.http.loop_connection import OnAnswer
from nemeton.http.loop_sync import LoopChangeSyncer
from nemeton.http.loop_timers import CoarseTimers
from nemeton.http.messages import split_url
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
_OF_JSON = {"Content-Type": "application/json"}


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
        self._assign_timeout_s = config.assign_request_http_timeout.to_seconds()
        self._loop = EventLoopThread("httpRemote-workers")
        self._client = LoopHttpClient(json=json, credentials=escalator.headers)
        self._timers = CoarseTimers()
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
            self._timers,
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
                self._begin(request)

        loop.call_soon_threadsafe(begin)

    def _begin(self, request: TaskRequest) -> None:
        try:
            if request.is_wanted():
                self._post(request, partial(self._answered, request))
            else:
                request.done(Delivery.NOT_GIVEN)
        except Exception as failure:  # noqa: BLE001 - it belongs to the task
            request.done(failure)

    def _answered(self, request: TaskRequest, answer: HttpResponse | HttpClientError) -> None:
        """The first try is over. Nearly always that is all; for more there is a coroutine."""
        if isinstance(answer, HttpResponse) and answer.status == 200:
            request.done(Delivery.GIVEN)
        else:
            self._running[request] = self._loop.loop.create_task(self._assign(request, answer))

    async def _assign(self, request: TaskRequest, first: HttpResponse | HttpClientError) -> None:
        try:
            outcome: Delivery | Exception = await self._try_again(request, first)
        except Exception as failure:  # noqa: BLE001 - it belongs to the task
            outcome = failure
        finally:
            self._running.pop(request, None)
        request.done(outcome)

    async def _try_again(self, request: TaskRequest, answer: HttpResponse | HttpClientError) -> Delivery:
        """With retries. As in Druid, a task that may have reached the worker counts as given."""
        backoff = Backoff(initial_s=0.2, max_s=5.0)
        outcome = Delivery.UNREACHABLE
        tries = self._config.assign_request_max_retries
        for attempt in range(1, tries + 1):
            reached, reason = _made_of(request, answer)
            if reason is None:
                return Delivery.GIVEN
            outcome = Delivery.GIVEN if reached else outcome
            log.info("Try %d to assign %s failed: %s", attempt, request, reason)
            if attempt == tries:
                break
            await asyncio.sleep(backoff.next_delay())
            if not request.is_wanted():
                break
            answer = await self._post_and_wait(request)
        if outcome is Delivery.GIVEN:
            log.warning("Not sure whether the worker has got %s", request)
        return outcome

    async def _post_and_wait(self, request: TaskRequest) -> HttpResponse | HttpClientError:
        answered: asyncio.Future[HttpResponse | HttpClientError] = asyncio.get_running_loop().create_future()
        self._post(request, lambda answer: None if answered.done() else answered.set_result(answer))
        return await answered

    def _post(self, request: TaskRequest, done: OnAnswer) -> None:
        self._client.ask(
            "POST",
            request.origin,
            ASSIGN_PATH,
            done,
            body=request.body,
            headers=_OF_JSON,
            timeout_s=self._assign_timeout_s,
        )


def _made_of(request: TaskRequest, answer: HttpResponse | HttpClientError) -> tuple[bool, str | None]:
    """Whether the task may have reached the worker, and why it is not known to have."""
    if isinstance(answer, HttpClientError):
        return not answer.unsent, str(answer)
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
        self.origin = split_url(worker_url(worker, "/"))[0]
        self.body = body
        self.is_wanted = is_wanted
        self.done = done
        self._task_id = task_id

    def __str__(self) -> str:
        return f"task [{self._task_id}] to worker [{self.worker.host}]"


def _said(answer: HttpResponse) -> str:
    return f"{answer.status} {answer.text[:500]}"
