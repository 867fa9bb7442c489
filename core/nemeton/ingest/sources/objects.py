"""Input from any object store (``nemeton.spi.objects``): the base of ``s3`` and its like.

Druid: ``CloudObjectInputSource``.
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, BinaryIO, ClassVar, Self, cast
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.ingest.sources.splitting import grouped
from nemeton.ingest.sources.system_fields import BUCKET, PATH, URI, as_system_fields
from nemeton.json import wire
from nemeton.spi.ingest import InputEntity, InputSource
from nemeton.spi.objects import ObjectInfo, ObjectLocation, ObjectStore, ObjectStoreError

_TRIES = 5


@frozen
class CloudObjectLocation:
    """An object as specs name it: ``{"bucket": …, "path": …}``."""

    bucket: str
    path: str


class _ObjectStream(io.RawIOBase):
    """An object's bytes, read on from where a transfer broke."""

    def __init__(self, store: ObjectStore, location: ObjectLocation) -> None:
        self._store = store
        self._location = location
        self._position = 0
        self._piece = memoryview(b"")
        self._pieces = store.read(location)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._piece:
            self._piece = memoryview(self._next_piece())
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def _next_piece(self) -> bytes:
        for attempt in range(_TRIES):
            try:
                piece = next(self._pieces, b"")
            except ObjectStoreError:
                if attempt == _TRIES - 1:
                    raise
                self._pieces = self._store.read(self._location, self._position)
            else:
                self._position += len(piece)
                return piece
        raise AssertionError("unreachable")


@frozen
class ObjectEntity(InputEntity):
    """One object."""

    store: ObjectStore
    scheme: str
    location: ObjectLocation
    known_size: int | None = None

    @property
    def uri(self) -> str:
        """As ``<scheme>://<bucket>/<key>``."""
        return f"{self.scheme}://{self.location}"

    @property
    def size(self) -> int | None:
        """From the listing, or asked for."""
        if self.known_size is not None:
            return self.known_size
        found = self.store.find(self.location)
        return None if found is None else found.size

    def system_field(self, name: str) -> str | None:
        """See :class:`InputEntity`."""
        return {URI: self.uri, BUCKET: self.location.bucket, PATH: self.location.key}.get(name)

    @property
    def modified_ms(self) -> int | None:
        """Asked for."""
        found = self.store.find(self.location)
        return None if found is None else found.modified_ms

    def open(self) -> BinaryIO:
        """Open the object; a transfer that breaks is resumed."""
        return cast(BinaryIO, io.BufferedReader(_ObjectStream(self.store, self.location), 1 << 20))


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values or ())


def _objects(values: Any) -> tuple[CloudObjectLocation, ...]:
    return tuple(
        CloudObjectLocation(str(v.get("bucket")), str(v.get("path"))) if isinstance(v, Mapping) else v
        for v in values or ()
    )


@frozen(kw_only=True)
class ObjectInputSource(InputSource):
    """Objects by URI, by prefix or one by one; exactly one of the three. ``object_glob`` picks among all of them.

    Empty objects, and those whose keys end with a slash (folders, to some tools), are left out.
    """

    #: The schemes of its URIs; the first is the one that is written.
    schemes: ClassVar[tuple[str, ...]] = ()

    uris: tuple[str, ...] = field(default=(), converter=_texts, metadata=wire(omit_default=True))
    prefixes: tuple[str, ...] = field(default=(), converter=_texts, metadata=wire(omit_default=True))
    objects: tuple[CloudObjectLocation, ...] = field(default=(), converter=_objects, metadata=wire(omit_default=True))
    object_glob: str | None = field(default=None, metadata=wire("objectGlob", omit_default=True))
    system_fields: tuple[str, ...] = field(
        default=(), converter=as_system_fields, metadata=wire("systemFields", omit_default=True)
    )

    def __attrs_post_init__(self) -> None:
        if sum(map(bool, (self.uris, self.prefixes, self.objects))) != 1:
            raise invalid_input("Exactly one of uris, prefixes or objects must be specified")
        for uri in (*self.uris, *self.prefixes):
            self._located(uri)

    @property
    @abstractmethod
    def store(self) -> ObjectStore:
        """Where the objects are."""

    @property
    def wanted_system_fields(self) -> Sequence[str]:
        """See :class:`InputSource`."""
        return self.system_fields

    @property
    def is_splittable(self) -> bool:
        """Yes, by object."""
        return True

    def entities(self) -> Iterator[ObjectEntity]:
        """The objects, in the order given; those of a prefix by key."""
        for location, size in self._found():
            yield ObjectEntity(self.store, self.schemes[0], location, size)

    def splits(self, max_bytes: int, max_entities: int) -> Iterator[InputSource]:
        """Groups of whole objects, each below both bounds unless a single object is larger."""
        sized = ((CloudObjectLocation(e.location.bucket, e.location.key), e.size or 0) for e in self.entities())
        for objects in grouped(sized, max_bytes, max_entities):
            yield self._of(objects)

    def _of(self, objects: list[CloudObjectLocation]) -> Self:
        return evolve(self, uris=(), prefixes=(), object_glob=None, objects=tuple(objects))

    def _found(self) -> Iterator[tuple[ObjectLocation, int | None]]:
        for location, size in self._named():
            if self.object_glob is None or fnmatchcase(location.key, self.object_glob):
                yield location, size

    def _named(self) -> Iterator[tuple[ObjectLocation, int | None]]:
        for uri in self.uris:
            yield self._located(uri), None
        for each in self.objects:
            yield ObjectLocation(each.bucket, each.path), None
        for prefix in self.prefixes:
            place = self._located(prefix)
            yield from (
                (info.location, info.size)
                for info in self.store.list_objects(place.bucket, place.key)
                if _holds_rows(info)
            )

    def _located(self, uri: str) -> ObjectLocation:
        parts = urlsplit(uri, allow_fragments=False)
        if parts.scheme not in self.schemes or not parts.netloc:
            raise invalid_input(f"[{uri}] must be of the form {self.schemes[0]}://bucket/key")
        key = uri.split("://", 1)[1].partition("/")[2]  # a question mark is a letter like any other
        return ObjectLocation(parts.netloc, key)


def _holds_rows(info: ObjectInfo) -> bool:
    return info.size > 0 and not info.location.key.endswith("/")
