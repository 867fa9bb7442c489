"""Object stores: what S3 and its like have in common, for authors of a deep storage on one more of them.

An extension implements :class:`ObjectStore` once and gets deep storage (``nemeton.storage.objects``), task logs and an
input source (``nemeton.ingest.sources.objects``) from it.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import frozen

from nemeton.common.errors import DruidException

log = logging.getLogger(__name__)


class ObjectStoreError(DruidException):
    """The store refused, or did not answer within all its retries. ``is_missing``: no such object or bucket."""

    def __init__(self, message: str, *, is_missing: bool = False) -> None:
        super().__init__(message, persona="OPERATOR", category="NOT_FOUND" if is_missing else "RUNTIME_FAILURE")
        self.is_missing = is_missing


@frozen
class ObjectLocation:
    """An object's place: bucket (container) and key."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"


@frozen
class ObjectInfo:
    """An object as a listing shows it: size in bytes, time of the last change in milliseconds since the epoch."""

    location: ObjectLocation
    size: int
    modified_ms: int


class ObjectStore(ABC):
    """Objects in buckets. Thread-safe; connects on first use; does its own retries within a bound.

    All methods raise :class:`ObjectStoreError`.
    """

    @abstractmethod
    def put(self, file: Path, to: ObjectLocation) -> None:
        """Store the file's content, in the place of what was there. It is visible as a whole or not at all."""

    @abstractmethod
    def read(self, location: ObjectLocation, start: int = 0) -> Iterator[bytes]:
        """Open the object at once, and give its bytes from ``start`` on in pieces."""

    @abstractmethod
    def find(self, location: ObjectLocation) -> ObjectInfo | None:
        """Return what is known of the object, None when it is not there."""

    @abstractmethod
    def list_objects(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose keys begin with ``prefix``, in the order of their keys."""

    @abstractmethod
    def delete(self, locations: Iterable[ObjectLocation]) -> Mapping[ObjectLocation, str]:
        """Remove the objects; those that are not there count as removed. Return the others with the reason."""

    @abstractmethod
    def copy(self, source: ObjectLocation, target: ObjectLocation) -> None:
        """Copy within the store."""

    def move(self, source: ObjectLocation, target: ObjectLocation) -> None:
        """Move within the store: copy, look whether the copy is there, and only then remove the original.

        An original that cannot be removed stays, and is told in the log.
        """
        self.copy(source, target)
        if self.find(target) is None:
            raise ObjectStoreError(f"The copy of [{source}] is not at [{target}], although it was made")
        if failures := self.delete([source]):
            log.warning("[%s] was copied to [%s] and stays, too: %s", source, target, failures[source])
