"""One POST of a batch of events."""

from __future__ import annotations

import base64
import gzip
from typing import TYPE_CHECKING

from nemeton.emitter.http_config import ContentEncoding, HttpEmittingConfig

if TYPE_CHECKING:
    import urllib3

_CONNECT_TIMEOUT_S = 5.0
_SHOWN_BYTES = 500
_REFUSED_FOR_GOOD = frozenset({400, 411, 413, 414, 415, 422, 431})


class EmissionError(Exception):
    """The receiver has not taken the batch. ``for_good``: it never will, whatever the number of tries."""

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


class Poster:
    """Posts bodies to one URL over a connection that is kept. For one thread.

    It uses urllib3 by itself: the room of HTTP stands above this one, and its credentials are not for receivers of
    metrics.
    """

    def __init__(self, url: str, config: HttpEmittingConfig) -> None:
        self.url = url
        self._config = config
        self._pool: urllib3.PoolManager | None = None

    def post(self, body: bytes, timeout_s: float) -> None:
        """Send it. Raises `EmissionError` unless the answer is 2xx."""
        import urllib3
        import urllib3.exceptions

        if self._pool is None:
            self._pool = urllib3.PoolManager(num_pools=1, maxsize=1)
        headers = {"Content-Type": "application/json", **self._credentials()}
        if self._config.content_encoding is ContentEncoding.GZIP:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        timeout = urllib3.Timeout(connect=min(timeout_s, _CONNECT_TIMEOUT_S), read=timeout_s)
        try:
            answer = self._pool.request(
                "POST",
                self.url,
                body=body,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            said = answer.read(_SHOWN_BYTES)
            answer.close()  # read to its end, it has given the connection back; otherwise nobody reads the rest
        except (urllib3.exceptions.HTTPError, OSError) as failure:
            raise EmissionError(f"{type(failure).__name__}: {failure}") from failure
        self._check(answer.status, said, len(body))

    def _check(self, status: int, said: bytes, size: int) -> None:
        if 200 <= status < 300:
            return
        text = f"it answered {status}: {said.decode('utf-8', 'replace').strip()}"
        if status == 413:
            text += f" ({size} bytes may be too much; see maxBatchSize)"
        raise EmissionError(text, for_good=status in _REFUSED_FOR_GOOD)

    def _credentials(self) -> dict[str, str]:
        """Asked anew for every request: passwords may change."""
        provider = self._config.basic_authentication
        pair = provider.get_password() if provider is not None else None
        if pair is None:
            return {}
        user, _, password = pair.partition(":")
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}

    def close(self) -> None:
        """Close the connection."""
        if self._pool is not None:
            self._pool.clear()
