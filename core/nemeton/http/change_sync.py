"""The other end of the long poll: follows the changes of one server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.emitter import ServiceEmitter
from nemeton.http.change_history import Counter
from nemeton.http.client import HttpClient, HttpClientError, HttpResponse
from nemeton.json import Json

log = logging.getLogger(__name__)

T = TypeVar("T")
_T = TypeVar("_T", contravariant=True)

EXTRA_TIMEOUT_S = 5.0
"""How much longer than the server may hold a poll its answer is waited for."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 120.0


class ChangeListener(Protocol[_T]):
    """Hears of the changes, on the syncer's thread; what it raises makes the syncer start over."""

    def full_sync(self, changes: Sequence[_T]) -> None:
        """All there is on the server: what was known of it before counts no more."""
        ...

    def delta_sync(self, changes: Sequence[_T]) -> None:
        """What has changed, in order."""
        ...


class ChangeSync(Generic[T]):
    """The client's half of the protocol, without the connection: what to ask, and what follows from an answer.

    It begins with a full list and starts over whenever the server says so, or a listener fails. It asks for Smile,
    which is what Druid's servers are asked for, and reads JSON as well. docs/protocols/http-sync.md has the protocol.
    Who drives it calls `_ask`, `_take` and `_failed` on one thread at a time; the rest is for everybody.
    """

    def __init__(
        self,
        json: Json,
        clock: Clock,
        *,
        base_url: str,
        path: str,
        change_type: Any,
        listener: ChangeListener[T],
        timeout_s: float = 60.0,
        alert_after_s: float = 60.0,
        emitter: ServiceEmitter | None = None,
        worth_reading: Callable[[Sequence[Any]], Sequence[Any]] = lambda changes: changes,
    ) -> None:
        """``path`` is that of the long poll; ``change_type`` what each change is read as.

        ``worth_reading`` may leave out changes that others of the same answer make needless; it sees them unread.

        ``timeout_s`` is how long the server may hold a poll. A server that has failed for ``alert_after_s`` seconds is
        an alert at each further failure.
        """
        self.base_url = base_url
        self._json = json
        self._clock = clock
        self._path = path
        self._type = change_type
        self._listener = listener
        self._timeout_s = timeout_s
        self._alert_after_s = alert_after_s
        self._emitter = emitter or ServiceEmitter()
        self._worth_reading = worth_reading
        self._stopping = threading.Event()
        self._first = threading.Event()
        self._backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        self._last_request: float | None = None
        self._last_success: float | None = None
        self._unstable_since: float | None = None
        self._counter: Counter | None = None

    # ---- what others ask

    @property
    def is_initialized(self) -> bool:
        """Whether a full list was ever heard."""
        return self._first.is_set()

    @property
    def is_synced(self) -> bool:
        """Whether nothing has failed since the last success, and that was not too long ago."""
        since = self._since(self._last_success)
        return self._unstable_since is None and since is not None and since < 3 * self._patience_s

    @property
    def is_following(self) -> bool:
        """Whether it has been started, and not stopped."""
        return self._last_request is not None and not self._stopping.is_set()

    @property
    def unstable_s(self) -> float:
        """For how many seconds every exchange has failed; 0 when the last one went well."""
        return self._since(self._unstable_since) or 0.0

    def debug_info(self) -> dict[str, Any]:
        """What Druid's debugging endpoints show of a syncer; times in milliseconds, 0 when there was none."""
        return {
            "millisSinceLastRequest": _millis(self._since(self._last_request)),
            "millisSinceLastSuccess": _millis(self._since(self._last_success)),
            "consecutiveFailedAttemptCount": self._backoff.tries,
            "syncScheduled": self.is_following,
        }

    def wait_until_first_sync(self, timeout_s: float) -> bool:
        """Wait until the first full list was heard, at most so many seconds; whether it was."""
        return self._first.wait(timeout_s)

    # ---- for who drives it

    @property
    def _patience_s(self) -> float:
        """How long an answer is waited for."""
        return self._timeout_s + EXTRA_TIMEOUT_S

    def _ask(self) -> str:
        """The address to ask next."""
        self._last_request = self._clock.monotonic()
        asked = self._counter
        place = "counter=-1" if asked is None else f"counter={asked.counter}&hash={asked.hash}"
        return f"{self.base_url}{self._path}?{place}&timeout={int(self._timeout_s * 1000)}"

    def _take(self, answer: HttpResponse) -> None:
        """Tell the listener of what was answered. Raises for everything that is not in order."""
        if not self._stopping.is_set() and self._read(answer):
            self._succeeded()

    def _read(self, answer: HttpResponse) -> bool:
        """False when the server asks to start over."""
        asked = self._counter
        if answer.status == 204 and asked is not None:
            return True
        if answer.status != 200:
            raise RuntimeError(f"{answer.url} answered {answer.status}: {answer.text[:200]}")
        body = answer.json()
        if body["resetCounter"]:
            log.info("%s asks to start over: %s", self.base_url, body.get("resetCause"))
            if asked is None:
                raise RuntimeError(f"{answer.url}: who asks for everything cannot start over")
            self._counter = None
            return False
        self._tell([self._json.structure(change, self._type) for change in self._worth_reading(body["requests"])])
        self._counter = Counter(body["counter"]["counter"], body["counter"]["hash"])
        self._first.set()
        return True

    def _tell(self, changes: Sequence[T]) -> None:
        if self._counter is None:
            self._listener.full_sync(changes)
        else:
            self._listener.delta_sync(changes)

    def _succeeded(self) -> None:
        if self._unstable_since is not None:
            log.info("Sync with %s works again after %d failures", self.base_url, self._backoff.tries)
        self._backoff.reset()
        self._unstable_since = None
        self._last_success = self._clock.monotonic()

    def _failed(self, failure: Exception) -> float:
        """Note that an exchange, or what followed from it, failed; return the seconds until the next one."""
        if self._stopping.is_set():
            return 0.0
        if self._unstable_since is None:
            self._unstable_since = self._clock.monotonic()
        if not isinstance(failure, HttpClientError):
            # a broken answer or a failing listener: what the listener knows may be wrong
            self._counter = None
        delay = self._backoff.next_delay()
        said = f"Sync with {self.base_url} failed {self._backoff.tries} times in {self.unstable_s:.0f} s"
        if self.unstable_s >= self._alert_after_s:
            self._emitter.alert(said, data={"server": self.base_url}, exception=failure)
        else:
            log.info("%s: %s", said, failure)
        return delay

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None else self._clock.monotonic() - moment


class ChangeRequestHttpSyncer(ChangeSync[T]):
    """Long-polls one server's change history on a thread of its own (Druid's class of the same name).

    Failures are retried with backoff up to two minutes; `is_synced` says whether the view is good.
    """

    def __init__(self, client: HttpClient, json: Json, clock: Clock, **options: Any) -> None:
        """``options`` are those of `ChangeSync`."""
        super().__init__(json, clock, **options)
        self._client = client
        self._thread = threading.Thread(target=self._loop, name=f"sync-{self.base_url}", daemon=True)

    def start(self) -> None:
        """Begin to follow; once."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more. A poll that hangs is left to its timeout; its answer is not told to the listener."""
        self._stopping.set()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                self._take(self._client.request("GET", self._ask(), timeout_s=self._patience_s, smile=True))
            except Exception as failure:  # noqa: BLE001 - logged there, and retried
                self._clock.wait(self._stopping, self._failed(failure))


def _millis(seconds: float | None) -> int:
    return int((seconds or 0.0) * 1000)
