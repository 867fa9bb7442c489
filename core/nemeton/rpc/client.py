"""The client of one service: finds it, follows its redirects to the leader, tries again until a deadline."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from attrs import define, field, frozen

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.http.client import HttpClient, HttpClientError, HttpResponse
from nemeton.rpc.errors import HttpResponseError, RpcError
from nemeton.rpc.locator import ServiceLocator

log = logging.getLogger(__name__)

_MAX_REDIRECTS = 5
_RETRYABLE = frozenset({408, 429, 502, 503, 504})


@frozen
class RetryPolicy:
    """How long to go on, and how to pause between tries. Times in seconds."""

    deadline_s: float = 60.0
    """The whole call, with all tries and pauses, takes no longer (but for the one try that is under way)."""
    request_timeout_s: float = 30.0
    """Each wait for the service, within the deadline."""
    max_attempts: int | None = None
    initial_pause_s: float = 0.1
    max_pause_s: float = 5.0
    retry_server_errors: bool = True
    """Whether a 500 is worth another try; 408, 429, 502, 503 and 504 always are."""

    def is_retryable(self, status: int) -> bool:
        """Whether another try may do better."""
        return status in _RETRYABLE or (status >= 500 and self.retry_server_errors)


@define
class _Call:
    """One call in progress."""

    what: str
    policy: RetryPolicy
    started: float
    backoff: Backoff
    tried: list[str] = field(factory=list)
    cause: str = "no instance of the service was found"
    preferred: str | None = None
    redirects: int = 0
    attempts: int = 0


class ServiceClient:
    """Calls one service. Thread-safe.

    A try that meets no instance, no connection, a broken exchange or a status that says "not now" is followed by
    another, on another instance where there is one, after a growing, jittered pause. Redirects (307, 308) are followed
    at once, and remembered as the place of the leader. Mind that a request whose answer got lost is sent again.
    """

    def __init__(
        self,
        service: str,
        locator: ServiceLocator,
        http: HttpClient,
        *,
        clock: Clock,
        policy: RetryPolicy | None = None,
    ) -> None:
        self.service = service
        self._locator = locator
        self._http = http
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self._leader: str | None = None

    def with_policy(self, policy: RetryPolicy) -> ServiceClient:
        """The same client with other patience."""
        return ServiceClient(self.service, self._locator, self._http, clock=self._clock, policy=policy)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        policy: RetryPolicy | None = None,
        stream: bool = False,
        accept: frozenset[int] = frozenset(),
    ) -> HttpResponse:
        """Call, and give the answer with a 2xx status, or one of `accept`.

        Raises `HttpResponseError` for an answer that another try would not change, and `RpcError` at the deadline.
        """
        patience = policy or self._policy
        call = _Call(
            f"{method} {path}",
            patience,
            self._clock.monotonic(),
            Backoff(patience.initial_pause_s, patience.max_pause_s),
        )
        while True:
            response = self._try(call, method, path, json, body, headers, stream)
            if response is not None and (response.ok or response.status in accept):
                return response
            if response is not None and not self._should_retry(call, response):
                response.read()
                raise HttpResponseError(self.service, call.what, response)
            self._pause(call)

    def _should_retry(self, call: _Call, response: HttpResponse) -> bool:
        if 300 <= response.status < 400:
            call.cause = f"{response.url} redirected to nowhere"
        elif call.policy.is_retryable(response.status):
            response.read()
            call.cause = f"{response.url} answered {response.status} {response.text.strip()[:200]}".rstrip()
        else:
            return False
        self._leader = None
        return True

    def _try(
        self,
        call: _Call,
        method: str,
        path: str,
        json: Any,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        stream: bool,
    ) -> HttpResponse | None:
        """One try with its redirects; None when there was no answer."""
        base = self._choose(call)
        if base is None:
            return None
        call.attempts += 1
        url = base + path
        for _ in range(_MAX_REDIRECTS):
            call.tried.append(base)
            try:
                response = self._http.request(
                    method,
                    url,
                    json=json,
                    body=body,
                    headers=headers,
                    timeout_s=self._seconds_left(call),
                    stream=stream,
                )
            except HttpClientError as failure:
                call.cause = str(failure)
                self._leader = None
                return None
            target = _redirect_target(response)
            if target is None:
                return response
            response.close()
            base, url = target
            self._leader = base
        call.cause = f"more than {_MAX_REDIRECTS} redirects"
        self._leader = None
        return None

    def _choose(self, call: _Call) -> str | None:
        """The leader if it is known, otherwise the instances in turn."""
        if self._leader is not None and not call.tried:
            return self._leader
        located = self._locator.locate()
        if not located:
            call.cause = "no instance of the service was found"
            return None
        fresh = [url for url in located if url not in call.tried]
        if fresh:
            return fresh[0]
        return located[call.attempts % len(located)]

    def _seconds_left(self, call: _Call) -> float:
        left = call.policy.deadline_s - (self._clock.monotonic() - call.started)
        return max(0.05, min(call.policy.request_timeout_s, left))

    def _pause(self, call: _Call) -> None:
        waited = self._clock.monotonic() - call.started
        pause = call.backoff.next_delay()
        exhausted = call.policy.max_attempts is not None and call.backoff.tries >= call.policy.max_attempts
        if exhausted or waited + pause >= call.policy.deadline_s:
            raise RpcError(self.service, call.what, call.tried, call.cause, waited)
        log.debug("[%s] %s: %s; trying again in %.2f s", self.service, call.what, call.cause, pause)
        self._clock.sleep(pause)


def _redirect_target(response: HttpResponse) -> tuple[str, str] | None:
    """Base and URL that a redirect leads to; None for any other answer."""
    if response.status not in (301, 302, 307, 308):
        return None
    location = response.headers.get("Location")
    parts = urlsplit(location or "")
    if not location or not parts.scheme or not parts.netloc:
        return None
    return f"{parts.scheme}://{parts.netloc}", location


class ServiceClientFactory:
    """Makes clients with the process's connections; `http` has the role's credentials (`EscalatedHttpClient`)."""

    def __init__(self, http: HttpClient, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    def make(self, service: str, locator: ServiceLocator, policy: RetryPolicy | None = None) -> ServiceClient:
        """A client of the service, `service` being its name in messages."""
        return ServiceClient(service, locator, self._http, clock=self._clock, policy=policy)
