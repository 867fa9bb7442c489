"""Files of the machine that the task runs on."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input, not_found, runtime_failure
from nemeton.ingest.sources.splitting import grouped
from nemeton.ingest.sources.system_fields import PATH, URI, as_system_fields
from nemeton.json import json_options, wire
from nemeton.plugins import json_type
from nemeton.spi.ingest import InputEntity, InputSource


@frozen
class FileEntity(InputEntity):
    """A file."""

    path: Path

    @property
    def uri(self) -> str:
        """As a ``file:`` URI."""
        return self.path.absolute().as_uri()

    @property
    def size(self) -> int | None:
        """From the file system; None when the file is not there."""
        try:
            return self.path.stat().st_size
        except OSError:
            return None

    def system_field(self, name: str) -> str | None:
        """See :class:`InputEntity`; the URI as Java writes it."""
        return {URI: f"file:{self.path.absolute().as_posix()}", PATH: str(self.path)}.get(name)

    @property
    def modified_ms(self) -> int | None:
        """From the file system; None when the file is not there."""
        try:
            return self.path.stat().st_mtime_ns // 1_000_000
        except OSError:
            return None

    def open(self) -> BinaryIO:
        """Open the file."""
        try:
            return self.path.open("rb", buffering=1 << 20)
        except FileNotFoundError as e:
            raise not_found(f"Input file [{self.path}] does not exist") from e
        except OSError as e:
            raise runtime_failure(f"Input file [{self.path}] cannot be read: {e.strerror or e}") from e


def _files(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value or ())


@json_type("local")
@json_options(omit_none=True)
@frozen
class LocalInputSource(InputSource):
    """Files below ``base_dir`` whose names match ``filter`` (``*``, ``?``), at any depth; and ``files``, by path.

    A folder in which nothing matches is an empty input; a ``base_dir`` that does not exist is an error. Empty files are
    skipped.
    """

    base_dir: str | None = None
    filter: str | None = None
    files: tuple[str, ...] = field(default=(), converter=_files, metadata=wire(omit_default=True))
    system_fields: tuple[str, ...] = field(default=(), converter=as_system_fields, metadata=wire(omit_default=True))

    def __attrs_post_init__(self) -> None:
        if self.base_dir is None and not self.files:
            raise invalid_input("Either one of baseDir or files should be specified")
        if self.base_dir is not None and self.filter is None:
            raise invalid_input("filter is required when baseDir is set (inputSource.filter)")

    @property
    def wanted_system_fields(self) -> Sequence[str]:
        """See :class:`InputSource`."""
        return self.system_fields

    @property
    def is_splittable(self) -> bool:
        """Yes, by file."""
        return True

    def entities(self) -> Iterator[InputEntity]:
        """The files in order of path, each once."""
        seen: set[Path] = set()
        for path in [*self._found(), *(Path(item) for item in self.files)]:
            entity = FileEntity(path)
            if path not in seen and entity.size != 0:
                seen.add(path)
                yield entity

    def splits(self, max_bytes: int, max_entities: int) -> Iterator[InputSource]:
        """Groups of whole files, each below both bounds unless a single file is larger."""
        sized = ((str(cast(FileEntity, entity).path), entity.size or 0) for entity in self.entities())
        for files in grouped(sized, max_bytes, max_entities):
            yield evolve(self, base_dir=None, filter=None, files=files)

    def _found(self) -> list[Path]:
        if self.base_dir is None:
            return []
        base = Path(self.base_dir)
        if not base.is_dir():
            raise not_found(f"baseDir [{self.base_dir}] of the local input source is not an existing folder")
        pattern = self.filter or "*"
        found: list[Path] = []
        for folder, folders, names in os.walk(base, onerror=_unreadable):
            folders.sort()
            found += (Path(folder, name) for name in names if fnmatch.fnmatchcase(name, pattern))
        return sorted(found)


def _unreadable(error: OSError) -> None:
    raise runtime_failure(f"Folder [{error.filename}] of the local input source cannot be read: {error.strerror}")
