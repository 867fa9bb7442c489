"""Credentials that do not stay what they were: read again when their time is over, or when the server refuses them.

Imported late, with botocore.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import boto3
import botocore.session
from botocore.credentials import CredentialProvider, Credentials, ReadOnlyCredentials

from nemeton.common.clock import Clock

log = logging.getLogger(__name__)

_METHOD = "nemeton"
_PERIOD_S = 60.0
_BEFORE_THE_END_S = 300.0
_REFUSALS = (400, 401, 403)
"""The states of answers to requests with credentials that are over, wrong or not known."""


Keys = dict[str, Any]
"""What requests are signed with: boto3's ``aws_access_key_id``, ``aws_secret_access_key``, ``aws_session_token``; and
``expires``, until when, in milliseconds since the epoch, where that is known."""


class RereadCredentials(Credentials):  # type: ignore[misc]
    """Asks ``read`` for the keys again: every minute, or five minutes before their end where that is known.

    Keys that cannot be read leave those of before, with a warning, until the next time. Thread-safe.
    """

    def __init__(self, read: Callable[[], Keys], keys: Keys, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._changed_at = float("-inf")
        self._three = _three(keys)
        super().__init__(*self._three, method=_METHOD)
        self._due = self._after(keys)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """See botocore, which asks before it signs a request."""
        with self._lock:
            if self._clock.monotonic() >= self._due:
                self._reread()
            return super().get_frozen_credentials()

    def refused(self) -> bool:
        """A request was refused; whether there are other keys now than those that it may have been signed with."""
        with self._lock:
            self._reread()
            return self._clock.monotonic() < self._changed_at + _PERIOD_S

    def _reread(self) -> None:
        now = self._clock.monotonic()
        try:
            keys = self._read()
            three = _three(keys)
        except Exception as failure:  # noqa: BLE001 - a file half-written, a service that is away: the old may do still
            log.warning("The credentials of S3 cannot be read again: %r", failure)
            self._due = now + _PERIOD_S
            return
        self._due = self._after(keys)
        if three != self._three:
            self._three = self.access_key, self.secret_key, self.token = three
            self._changed_at = now
            log.info("The credentials of S3 have changed")

    def _after(self, keys: Keys) -> float:
        expires = keys.get("expires")
        left_s = 0.0 if expires is None else (expires - self._clock.now()) / 1000 - _BEFORE_THE_END_S
        return self._clock.monotonic() + max(_PERIOD_S, left_s)


def _three(keys: Keys) -> tuple[str, str, str | None]:
    access_key, secret_key = keys.get("aws_access_key_id"), keys.get("aws_secret_access_key")
    if not access_key or not secret_key:
        raise ValueError("The credentials of S3 need both an access key and a secret key")
    return access_key, secret_key, keys.get("aws_session_token")


class _Given(CredentialProvider):  # type: ignore[misc]
    METHOD = _METHOD
    CANONICAL_NAME = METHOD

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials:
        return self._credentials


def make_client(read: Callable[[], Keys], clock: Clock, **options: Any) -> Any:
    """A client of S3 that signs with what is read; with what botocore finds by itself, if that is nothing."""
    keys = read()
    session = botocore.session.Session()
    if not keys:
        return boto3.session.Session(botocore_session=session).client("s3", **options)
    credentials = RereadCredentials(read, keys, clock)
    session.get_component("credential_provider").insert_before("env", _Given(credentials))
    client = boto3.session.Session(botocore_session=session).client("s3", **options)
    _retry_refused(client, credentials)
    return client


def _retry_refused(client: Any, credentials: RereadCredentials) -> None:
    """Let the client send a request again, once, that was refused, if the credentials have changed since."""

    def again(response: Any = None, attempts: int = 0, **_: Any) -> float | None:
        if response is None or attempts > 1 or response[0].status_code not in _REFUSALS:
            return None
        return 0.0 if credentials.refused() else None

    client.meta.events.register_first("needs-retry.s3", again)
