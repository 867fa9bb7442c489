"""The chat end points of a running task, as other tasks and services call them."""

from __future__ import annotations

import logging
import threading
from typing import Any
from urllib.parse import quote, unquote

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.http.client import HttpClient, HttpClientError, HttpResponse
from nemeton.rpc.errors import HttpResponseError, RpcError
from nemeton.rpc.overlord import OverlordClient

log = logging.getLogger(__name__)

_TASK_ID = "X-Druid-Task-Id"
_NOT_THIS_TASK = frozenset({400, 404})


class TaskChatClient:
    """Calls ``/druid/worker/v1/chat/<task id>/…`` where the task runs now. Thread-safe.

    The Overlord says where that is. A port may have been given to another task meanwhile, which its answers tell; then,
    and when the task cannot be reached or says "not now", the call is made again, up to ``max_attempts`` times in all.
    """

    def __init__(
        self,
        task_id: str,
        overlord: OverlordClient,
        http: HttpClient,
        clock: Clock,
        *,
        timeout_s: float = 10.0,
        max_attempts: int = 5,
    ) -> None:
        self._task_id = task_id
        self._overlord = overlord
        self._http = http
        self._clock = clock
        self._timeout_s = timeout_s
        self._max_attempts = max(max_attempts, 1)
        self._lock = threading.Lock()
        self._url: str | None = None

    def request(self, method: str, path: str, **options: Any) -> HttpResponse:
        """Call, and give the answer with a 2xx status; ``options`` go to `HttpClient.request`.

        Raises `RpcError` when the task gave no usable answer, at once when it has ended, and `HttpResponseError` for
        an answer that another try would not change.
        """
        what = f"{method} {path}"
        backoff = Backoff(0.1, 30.0)
        started, tried, cause = self._clock.monotonic(), list[str](), "its location is not known"
        chat = f"/druid/worker/v1/chat/{quote(self._task_id, safe='')}/{path}"
        while True:
            url = self._locate()
            if url is not None:
                tried.append(url)
                outcome = self._try(what, method, url + chat, options)
                if isinstance(outcome, HttpResponse):
                    return outcome
                cause = outcome
            pause = backoff.next_delay()
            if backoff.tries >= self._max_attempts:
                waited = self._clock.monotonic() - started
                raise RpcError(f"task {self._task_id}", what, tried, cause, waited)
            log.debug("Task [%s] %s: %s; trying again in %.2f s", self._task_id, what, cause, pause)
            self._clock.sleep(pause)

    def _try(self, what: str, method: str, url: str, options: dict[str, Any]) -> HttpResponse | str:
        """The answer, or why there is none yet."""
        try:
            answer = self._http.request(method, url, timeout_s=self._timeout_s, **options)
        except HttpClientError as failure:
            self._forget()
            return str(failure)
        if answer.ok:
            return answer
        shown = answer.text.strip()[:200]
        if answer.status in _NOT_THIS_TASK and unquote(answer.headers.get(_TASK_ID, "")) != self._task_id:
            self._forget()
            return f"{url} is another task's by now: {answer.status} {shown}"
        if answer.status >= 500 or answer.status == 429:
            self._forget()
            return f"{url} answered {answer.status} {shown}".rstrip()
        raise HttpResponseError(f"task {self._task_id}", what, answer)

    def _locate(self) -> str | None:
        with self._lock:
            if self._url is not None:
                return self._url
        status = self._overlord.task_statuses([self._task_id]).get(self._task_id)
        if status is None or status.is_complete:
            state = "is not known to the Overlord" if status is None else f"has ended as {status.status}"
            raise RpcError(f"task {self._task_id}", "a call", (), f"the task {state}", 0.0)
        with self._lock:
            self._url = status.location.url
            return self._url

    def _forget(self) -> None:
        with self._lock:
            self._url = None
