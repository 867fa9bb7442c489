"""Handing a task to a worker."""

from __future__ import annotations

import logging
from collections.abc import Callable

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.http.client import HttpClientError, HttpResponse
from nemeton.indexing.overlord.runners.assigner import Delivery
from nemeton.indexing.overlord.runners.config import HttpRemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.worker_client import WorkerClient
from nemeton.model import Worker

log = logging.getLogger(__name__)

ASSIGN_PATH = "/druid-internal/v1/worker/assignTask"

#: Answers of a worker that has looked at the task and will not have it.
_REFUSALS = (400, 415)
#: Answers of a worker, or of something on the way, that has not looked at the task.
_NOT_LOOKED_AT = (401, 403, 404, 405, 429, 503)


class TaskRefusedError(Exception):
    """The worker cannot make sense of the task."""


class TaskAssignment:
    """Posts tasks to workers, with retries.

    As in Druid, a task that may have reached the worker counts as given, and the worker's own word is waited for. One
    that certainly did not reach it is not given.
    """

    def __init__(self, config: HttpRemoteTaskRunnerConfig, client: WorkerClient, clock: Clock) -> None:
        self._tries = config.assign_request_max_retries
        self._timeout_s = config.assign_request_http_timeout.to_seconds()
        self._client = client
        self._clock = clock

    def assign(self, worker: Worker, task_id: str, body: bytes, is_wanted: Callable[[], bool]) -> Delivery:
        """Give the task to the worker, unless it is no longer ``is_wanted``.

        Raises `TaskRefusedError` when the worker says that it cannot read the task.
        """
        backoff = Backoff(initial_s=0.2, max_s=5.0)
        outcome = Delivery.NOT_GIVEN
        for attempt in range(1, self._tries + 1):
            if not is_wanted():
                break
            reached, reason = self._try(worker, task_id, body)
            if reason is None:
                return Delivery.GIVEN
            perhaps_given = reached or outcome is Delivery.GIVEN
            outcome = Delivery.GIVEN if perhaps_given else Delivery.UNREACHABLE
            log.info("Try %d to assign task [%s] to worker [%s] failed: %s", attempt, task_id, worker.host, reason)
            if attempt < self._tries:
                self._clock.sleep(backoff.next_delay())
        if outcome is Delivery.GIVEN:
            log.warning("Not sure whether task [%s] was assigned to worker [%s]", task_id, worker.host)
        return outcome

    def _try(self, worker: Worker, task_id: str, body: bytes) -> tuple[bool, str | None]:
        """Whether the task may have reached the worker, and why it is not known to have."""
        try:
            answer = self._client.post(worker, ASSIGN_PATH, body=body, timeout_s=self._timeout_s)
        except HttpClientError as failure:
            return not failure.unsent, str(failure)
        if answer.status in _REFUSALS:
            raise TaskRefusedError(f"Worker [{worker.host}] refuses task [{task_id}]: {_said(answer)}")
        if answer.status == 200:
            return True, None
        return answer.status not in _NOT_LOOKED_AT, _said(answer)


def _said(answer: HttpResponse) -> str:
    return f"{answer.status} {answer.text[:500]}"
