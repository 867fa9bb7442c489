"""The other end of the long poll: follows the changes of one server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.http.change_history import Counter
from nemeton.http.client import HttpClient, HttpClientError
from nemeton.json import Json

log = logging.getLogger(__name__)

T = TypeVar("T")
_T = TypeVar("_T", contravariant=True)

ALERT_AFTER_TRIES = 10


class ChangeListener(Protocol[_T]):
    """Hears of the changes, on the syncer's thread; what it raises makes the syncer start over."""

    def full_sync(self, changes: Sequence[_T]) -> None:
        """All there is on the server: what was known of it before counts no more."""
        ...

    def delta_sync(self, changes: Sequence[_T]) -> None:
        """What has changed, in order."""
        ...


class ChangeRequestHttpSyncer(Generic[T]):
    """Long-polls one server's change history on a thread of its own (Druid's class of the same name).

    It begins with a full list and starts over whenever the server says so, or a listener fails. Failures are retried
    with backoff; `is_synced` says whether the view is good. ``timeout_s`` is how long the server may hold a poll.
    """

    def __init__(
        self,
        client: HttpClient,
        json: Json,
        clock: Clock,
        *,
        base_url: str,
        path: str,
        change_type: Any,
        listener: ChangeListener[T],
        timeout_s: float = 60.0,
    ) -> None:
        """``path`` is that of the long poll; ``change_type`` what each change is read as."""
        self.base_url = base_url
        self._client = client
        self._json = json
        self._clock = clock
        self._path = path
        self._type = change_type
        self._listener = listener
        self._timeout_s = timeout_s
        self._stopping = threading.Event()
        self._first = threading.Event()
        self._synced = False
        self._counter: Counter | None = None
        self._thread = threading.Thread(target=self._loop, name=f"sync-{base_url}", daemon=True)

    @property
    def is_synced(self) -> bool:
        """Whether the last exchange went well."""
        return self._synced

    def start(self) -> None:
        """Begin to follow; once."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more. A poll that hangs is left to its timeout; its answer is not told to the listener."""
        self._stopping.set()

    def wait_until_first_sync(self, timeout_s: float) -> bool:
        """Wait until the first full list was heard, at most so many seconds; whether it was."""
        return self._first.wait(timeout_s)

    def _loop(self) -> None:
        backoff = Backoff(initial_s=0.05, max_s=30.0)
        while not self._stopping.is_set():
            try:
                self._poll()
                self._synced = True
                backoff.reset()
            except Exception as failure:  # noqa: BLE001 - logged there, and retried
                self._failed(failure, backoff)

    def _failed(self, failure: Exception, backoff: Backoff) -> None:
        if self._stopping.is_set():
            return
        self._synced = False
        if not isinstance(failure, HttpClientError):
            # a broken answer or a failing listener: what the listener knows may be wrong
            self._counter = None
        delay = backoff.next_delay()
        level = logging.WARNING if backoff.tries >= ALERT_AFTER_TRIES else logging.INFO
        log.log(level, "Sync with %s failed (try %d): %s", self.base_url, backoff.tries, failure)
        self._clock.wait(self._stopping, delay)

    def _poll(self) -> None:
        place = "counter=-1" if self._counter is None else f"counter={self._counter.counter}&hash={self._counter.hash}"
        url = f"{self.base_url}{self._path}?{place}&timeout={int(self._timeout_s * 1000)}"
        answer = self._client.request(
            "GET", url, headers={"Accept": "application/json"}, timeout_s=self._timeout_s + 10
        )
        if self._stopping.is_set() or answer.status == 204:
            return
        if answer.status != 200:
            raise RuntimeError(f"{url} answered {answer.status}: {answer.text[:200]}")
        body = answer.json()
        if body["resetCounter"]:
            log.info("%s asks to start over: %s", self.base_url, body.get("resetCause"))
            self._counter = None
            return
        changes = [self._json.structure(change, self._type) for change in body["requests"]]
        if self._counter is None:
            self._listener.full_sync(changes)
        else:
            self._listener.delta_sync(changes)
        self._counter = Counter(body["counter"]["counter"], body["counter"]["hash"])
        self._first.set()
