"""HDFS over WebHDFS, its REST API, as an object store."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.spi.objects import ObjectInfo, ObjectLocation, ObjectStore, ObjectStoreError
from nemeton_hdfs.config import WebHdfsConfig

if TYPE_CHECKING:
    import urllib3

log = logging.getLogger(__name__)

T = TypeVar("T")

_PORT = 9870
_PIECE_BYTES = 1 << 20
#: Exceptions of HDFS that mean: ask the other NameNode, or the same one later.
_TRANSIENT = frozenset({"StandbyException", "RetriableException", "SafeModeException", "LeaseExpiredException"})


class _RefusedError(Exception):
    """HDFS said no, with a reason."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}" if kind else message)
        self.kind = kind
        self.is_missing = kind == "FileNotFoundException" or (status == 404 and not kind)
        self.is_transient = kind in _TRANSIENT or (status >= 500 and kind not in ("FileAlreadyExistsException",))


class WebHdfsStore(ObjectStore):
    """Files in HDFS. Thread-safe.

    A request goes to the NameNode that answered last; a standby, one that is away, or one in safe mode is asked again,
    or the next one, with growing pauses. A file is written under another name and renamed, so it is there as a whole.
    """

    def __init__(self, config: WebHdfsConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._pool: urllib3.PoolManager | None = None
        self._preferred = 0

    # ---- the store

    def put(self, file: Path, to: ObjectLocation) -> None:
        """See :class:`ObjectStore`."""
        parent = to.key.rpartition("/")[0]
        staging = ObjectLocation(to.bucket, f"{parent}/.{uuid.uuid4()}.tmp" if parent else f".{uuid.uuid4()}.tmp")
        try:
            self._upload(file, staging)
            self._replace(staging, to)
        except BaseException:
            self._delete_quietly(staging)
            raise

    def _upload(self, file: Path, to: ObjectLocation) -> None:
        def attempt(base: str) -> None:
            answer = self._call(base, "PUT", to, "CREATE", overwrite="true", noredirect="true")
            with file.open("rb") as content:
                self._send("PUT", answer["Location"], body=content, length=file.stat().st_size)

        self._retried(f"Cannot write [{to}]", to, attempt)

    def _replace(self, source: ObjectLocation, target: ObjectLocation) -> None:
        """HDFS renames onto nothing that is there; what is there goes first."""
        if self._rename(source, target):
            return
        if self.find(source) is None and self.find(target) is not None:
            return  # a try whose answer got lost has renamed it; what is there now must stay
        self._remove(target)
        if not self._rename(source, target):
            raise ObjectStoreError(f"Cannot rename [{source}] to [{target}]")

    def read(self, location: ObjectLocation, start: int = 0) -> Iterator[bytes]:
        """See :class:`ObjectStore`."""
        what = f"Cannot read [{location}]"

        def attempt(base: str) -> urllib3.BaseHTTPResponse:
            answer = self._call(base, "GET", location, "OPEN", offset=start, noredirect="true")
            return self._send("GET", answer["Location"], stream=True)

        info = self.find(location)
        if info is None:
            raise ObjectStoreError(f"{what}: it does not exist", is_missing=True)
        if start >= info.size:
            return iter(())
        return _pieces(what, self._retried(what, location, attempt), info.size - start)

    def find(self, location: ObjectLocation) -> ObjectInfo | None:
        """See :class:`ObjectStore`; a folder is no object."""
        try:
            status = self._ask(f"Cannot look for [{location}]", "GET", location, "GETFILESTATUS")["FileStatus"]
        except ObjectStoreError as error:
            if error.is_missing:
                return None
            raise
        return None if status["type"] != "FILE" else _info(location, status)

    def list_objects(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """See :class:`ObjectStore`: files below the folder of ``prefix`` whose paths begin with it."""
        folder = ObjectLocation(bucket, prefix.rpartition("/")[0])
        for info in self.walk(folder):
            if info.location.key.startswith(prefix):
                yield info

    def walk(self, folder: ObjectLocation) -> Iterator[ObjectInfo]:
        """All files below the folder, in the order of their paths; none when it is not there."""
        try:
            found = self._ask(f"Cannot list [{folder}]", "GET", folder, "LISTSTATUS")["FileStatuses"]["FileStatus"]
        except ObjectStoreError as error:
            if error.is_missing:
                return
            raise
        for status in sorted(found, key=lambda status: str(status["pathSuffix"])):
            key = "/".join(part for part in (folder.key, status["pathSuffix"]) if part)
            place = ObjectLocation(folder.bucket, key)
            if status["type"] == "DIRECTORY":
                yield from self.walk(place)
            else:
                yield _info(place, status)

    def delete(self, locations: Iterable[ObjectLocation]) -> Mapping[ObjectLocation, str]:
        """See :class:`ObjectStore`; folders that become empty go, too."""
        failures: dict[ObjectLocation, str] = {}
        for location in locations:
            try:
                if self._remove(location):
                    self._prune(location)
            except ObjectStoreError as error:
                failures[location] = error.message
        return failures

    def copy(self, source: ObjectLocation, target: ObjectLocation) -> None:
        """HDFS does not copy by itself."""
        raise ObjectStoreError(f"Cannot copy [{source}]: HDFS moves files, but does not copy them")

    def move(self, source: ObjectLocation, target: ObjectLocation) -> None:
        """One rename."""
        self._replace(source, target)
        self._prune(source)

    # ---- folders and names

    def _rename(self, source: ObjectLocation, target: ObjectLocation) -> bool:
        what = f"Cannot rename [{source}] to [{target}]"
        parent = ObjectLocation(target.bucket, target.key.rpartition("/")[0])
        self._ask(what, "PUT", parent, "MKDIRS")
        return bool(self._ask(what, "PUT", source, "RENAME", destination=f"/{target.key}").get("boolean"))

    def _remove(self, location: ObjectLocation) -> bool:
        return bool(self._ask(f"Cannot remove [{location}]", "DELETE", location, "DELETE").get("boolean"))

    def _delete_quietly(self, location: ObjectLocation) -> None:
        try:
            self._remove(location)
        except ObjectStoreError as error:
            log.warning("[%s] is left behind: %s", location, error.message)

    def _prune(self, location: ObjectLocation) -> None:
        """Remove the folders above that are empty now; HDFS refuses to remove one that is not."""
        folder = location.key.rpartition("/")[0]
        while folder:
            try:
                self._ask("", "DELETE", ObjectLocation(location.bucket, folder), "DELETE", recursive="false")
            except ObjectStoreError:
                return
            folder = folder.rpartition("/")[0]

    # ---- requests

    def _ask(self, what: str, method: str, location: ObjectLocation, operation: str, **options: Any) -> dict[str, Any]:
        return self._retried(what, location, lambda base: self._call(base, method, location, operation, **options))

    def _call(self, base: str, method: str, location: ObjectLocation, operation: str, **options: Any) -> dict[str, Any]:
        query = urlencode({"op": operation, "user.name": self._config.user, **options})
        answer = self._send(method, f"{base}/webhdfs/v1/{quote(location.key)}?{query}")
        found: dict[str, Any] = json.loads(answer.data or b"{}")
        return found

    def _send(
        self, method: str, url: str, *, body: Any = None, length: int | None = None, stream: bool = False
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/octet-stream"}
        if length is not None:
            headers["Content-Length"] = str(length)
        answer = self._connections.request(
            method, url, body=body, headers=headers, preload_content=not stream, redirect=True
        )
        if answer.status >= 400:
            raise _refusal(answer.status, answer.read() if stream else answer.data)
        return answer

    def _retried(self, what: str, location: ObjectLocation, attempt: Callable[[str], T]) -> T:
        """Call ``attempt(base URL)`` for one NameNode after the other, until one answers for good."""
        from urllib3.exceptions import HTTPError

        bases = self._config.urls or [f"http://{location.bucket.partition(':')[0] or 'localhost'}:{_PORT}"]
        backoff = Backoff(initial_s=0.2, max_s=5.0)
        for tries in range(1, self._config.max_tries * len(bases) + 1):
            base = bases[self._preferred % len(bases)].rstrip("/")
            try:
                return attempt(base)
            except _RefusedError as error:
                if not error.is_transient:
                    raise ObjectStoreError(f"{what}: {error}", is_missing=error.is_missing) from error
                last: Exception = error
            except (HTTPError, OSError) as error:
                last = error
            self._preferred += 1
            if tries % len(bases) == 0 and tries < self._config.max_tries * len(bases):
                self._clock.sleep(backoff.next_delay())
        raise ObjectStoreError(f"{what}: no NameNode of {bases} answers: {last}") from last

    @property
    def _connections(self) -> urllib3.PoolManager:
        import urllib3

        with self._lock:
            if self._pool is None:
                timeout = urllib3.Timeout(
                    connect=self._config.connect_timeout / 1000, read=self._config.read_timeout / 1000
                )
                self._pool = urllib3.PoolManager(retries=urllib3.Retry(0, redirect=3), timeout=timeout, maxsize=10)
            return self._pool


def _refusal(status: int, body: bytes) -> _RefusedError:
    try:
        told = json.loads(body)["RemoteException"]
        return _RefusedError(status, str(told.get("exception", "")), str(told.get("message", "")).partition("\n")[0])
    except (ValueError, KeyError, TypeError):
        return _RefusedError(status, "", f"HTTP {status}")


def _info(location: ObjectLocation, status: Mapping[str, Any]) -> ObjectInfo:
    return ObjectInfo(location, int(status["length"]), int(status["modificationTime"]))


def _pieces(what: str, answer: urllib3.BaseHTTPResponse, size: int) -> Iterator[bytes]:
    """The body in pieces; one that ends too early is an error, since WebHDFS does not say how long it should be."""
    from urllib3.exceptions import HTTPError

    left = size
    try:
        for piece in answer.stream(_PIECE_BYTES):
            left -= len(piece)
            yield piece
    except (HTTPError, OSError) as error:
        raise ObjectStoreError(f"{what}: the transfer broke, {left} bytes are missing: {error}") from error
    finally:
        answer.close()
    if left > 0:
        raise ObjectStoreError(f"{what}: the transfer ended, {left} bytes are missing")
