"""The input source ``hdfs``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input, not_found
from nemeton.ingest.sources.objects import ObjectEntity
from nemeton.ingest.sources.splitting import grouped
from nemeton.json import wire
from nemeton.plugins import json_type
from nemeton.spi.ingest import InputEntity, InputSource
from nemeton.spi.objects import ObjectInfo, ObjectLocation
from nemeton_hdfs.config import HdfsInputSourceConfig
from nemeton_hdfs.paths import SCHEME, parse, to_uri
from nemeton_hdfs.store import WebHdfsStore

_GLOB = re.compile(r"[*?\[]")


def _paths(value: Any) -> tuple[str, ...]:
    """One text with paths between commas, or a list."""
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else tuple(map(str, value or ()))


@json_type("hdfs")
@frozen(kw_only=True)
class HdfsInputSource(InputSource):
    """Files in HDFS: by path, all of a folder, or by glob (``*``, ``?``, ``[…]``) in any part of a path.

    Empty files, and those whose names begin with ``_`` or ``.``, are left out, as Hadoop does.
    """

    paths: tuple[str, ...] = field(converter=_paths)
    store: WebHdfsStore = field(eq=False, repr=False, metadata=wire(injected=True))
    config: HdfsInputSourceConfig = field(eq=False, repr=False, metadata=wire(injected=True))

    def __attrs_post_init__(self) -> None:
        if not self.paths:
            raise invalid_input("paths: at least one path is required")
        for path in self.paths:
            scheme = urlsplit(path).scheme or SCHEME
            if scheme.lower() not in self.config.allowed_protocols:
                raise invalid_input(f"Only [{', '.join(self.config.allowed_protocols)}] protocols are allowed")
            parse(path, "paths")

    @property
    def is_splittable(self) -> bool:
        """Yes, by file."""
        return True

    def entities(self) -> Iterator[InputEntity]:
        """The files, in the order of the paths given, those of a folder by name."""
        for info in self._found():
            yield ObjectEntity(self.store, SCHEME, info.location, info.size)

    def splits(self, max_bytes: int, max_entities: int) -> Iterator[InputSource]:
        """Groups of whole files, each below both bounds unless a single file is larger."""
        sized = ((to_uri(info.location), info.size) for info in self._found())
        for paths in grouped(sized, max_bytes, max_entities):
            yield evolve(self, paths=paths)

    def _found(self) -> Iterator[ObjectInfo]:
        for path in self.paths:
            for info in self._at(path):
                name = info.location.key.rpartition("/")[2]
                if info.size > 0 and not name.startswith(("_", ".")):
                    yield info

    def _at(self, path: str) -> Iterator[ObjectInfo]:
        place = parse(path, "paths")
        exact = None if _GLOB.search(place.key) else self.store.find(place)
        if exact is not None:
            yield exact
            return
        found = False
        parts = place.key.split("/")
        fixed = next((n for n, part in enumerate(parts) if _GLOB.search(part)), len(parts))
        for info in self.store.walk(ObjectLocation(place.bucket, "/".join(parts[:fixed]))):
            if _matches(info.location.key.split("/"), parts):
                found = True
                yield info
        if not found and fixed == len(parts):
            raise not_found(f"Input path [{path}] does not exist, or holds no file")


def _matches(path: list[str], pattern: list[str]) -> bool:
    """Whether the path is what the pattern names, or lies below it."""
    return len(path) >= len(pattern) and all(map(fnmatchcase, path, pattern))
