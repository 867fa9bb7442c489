"""Fetching a partial segment from a worker."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException, not_found, runtime_failure
from nemeton.http.client import HttpClient, HttpClientError
from nemeton.segment.zipped import unpack_zip

log = logging.getLogger(__name__)

_TRIES = 4
_TIMEOUT_S = 60.0


def fetch_zip(http: HttpClient, clock: Clock, url: str, folder: Path) -> None:
    """Bring a zip and unpack it. Raises when it is not to be had: at once for 404, else after a few tries."""
    backoff = Backoff(0.2, 5.0)
    while True:
        archive = folder.with_name(f"{folder.name}.zip")
        try:
            _download(http, url, archive)
            for leftover in folder.iterdir():
                leftover.unlink()
            unpack_zip(archive, folder)
        except (HttpClientError, _NotNowError, OSError, DruidException) as failure:
            if isinstance(failure, DruidException) and failure.category == "NOT_FOUND":
                raise
            pause = backoff.next_delay()
            if backoff.tries >= _TRIES:
                raise runtime_failure(f"Failed to fetch [{url}]: {failure}") from failure
            log.warning("Fetching [%s] failed, trying again: %s", url, failure)
            clock.sleep(pause)
        else:
            return
        finally:
            archive.unlink(missing_ok=True)


class _NotNowError(Exception):
    """The worker answered with an error that may pass."""


def _download(http: HttpClient, url: str, archive: Path) -> None:
    with http.request("GET", url, timeout_s=_TIMEOUT_S, stream=True) as answer:
        if answer.status == 404:
            answer.read()
            raise not_found(f"The worker has no such partition any more [{url}]: {answer.text.strip()}")
        if not answer.ok:
            answer.read()
            raise _NotNowError(f"it answered {answer.status} {answer.text.strip()[:200]}")
        with os.fdopen(os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for piece in answer.stream():
                file.write(piece)
