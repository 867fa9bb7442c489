"""What the Overlord asks of workers and peons over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from urllib.parse import quote

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.http.client import EscalatedHttpClient, HttpClientError, HttpResponse
from nemeton.model import TaskLocation, Worker

log = logging.getLogger(__name__)

#: How long a worker or peon may take to begin an answer that somebody waits for at the task API.
_STREAM_TIMEOUT_S = 60.0


class WorkerClient:
    """Blocking calls with deadlines; never made under the runner's lock. Thread-safe."""

    def __init__(self, http: EscalatedHttpClient, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    def post(self, worker: Worker, path: str, *, body: bytes | None = None, timeout_s: float) -> HttpResponse:
        """One POST of JSON; any status is an answer. Raises ``HttpClientError`` when there is none."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        return self._http.request("POST", worker_url(worker, path), body=body, headers=headers, timeout_s=timeout_s)

    def shut_down(self, worker: Worker, task_id: str, *, tries: int, timeout_s: float) -> None:
        """Ask the worker to end a task, a few times. A failure is logged: whoever knows the task asks again."""
        path = f"/druid/worker/v1/task/{quote(task_id, safe='')}/shutdown"
        backoff = Backoff(initial_s=0.5, max_s=10.0)
        for attempt in range(1, tries + 1):
            try:
                answer = self.post(worker, path, timeout_s=timeout_s)
                if answer.status == 200:
                    log.info("Sent shutdown of task [%s] to worker [%s]: %s", task_id, worker.host, answer.text)
                    return
                reason = f"answered {answer.status}"
            except HttpClientError as failure:
                reason = str(failure)
            if attempt < tries:
                self._clock.sleep(backoff.next_delay())
        log.error("Failed to shut down task [%s] on worker [%s]: %s", task_id, worker.host, reason)

    def stream_log(self, worker: Worker, task_id: str, offset: int) -> Iterator[bytes] | None:
        """The log of a task that runs on the worker; None when the worker has none. See `_stream`."""
        path = f"/druid/worker/v1/task/{quote(task_id, safe='')}/log?offset={offset}"
        return self._stream(worker_url(worker, path))

    def stream_reports(self, location: TaskLocation, task_id: str) -> Iterator[bytes] | None:
        """The live reports of a task from its peon; None when it has none. See `_stream`."""
        if not location.is_known:
            return None
        return self._stream(f"{location.url}/druid/worker/v1/chat/{quote(task_id, safe='')}/liveReports")

    def _stream(self, url: str) -> Iterator[bytes] | None:
        """The body of the answer. None when nobody answers, or with another status than 200."""
        try:
            answer = self._http.request("GET", url, timeout_s=_STREAM_TIMEOUT_S, stream=True)
        except HttpClientError as failure:
            log.warning("%s", failure)
            return None
        if answer.status != 200:
            answer.close()
            return None
        return _closing(answer)


def worker_url(worker: Worker, path: str) -> str:
    """An address at the worker."""
    return f"{worker.scheme}://{worker.host}{path}"


def _closing(answer: HttpResponse) -> Iterator[bytes]:
    with answer:
        yield from answer.stream()
