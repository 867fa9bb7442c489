"""Keys and values from files: of this machine, of web servers, of object stores."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from nemeton.common.errors import invalid_input, not_found
from nemeton.ingest.compression import open_unpacked
from nemeton.spi import InputEntity, InputSource, LookupContext, wire
from nemeton_lookups_cached_global.namespaces import Cached, PolledNamespace
from nemeton_lookups_cached_global.parsing import FlatDataParser


@frozen(kw_only=True)
class UriExtractionNamespace(PolledNamespace):
    """The file at ``uri``, or the newest below ``uri_prefix`` whose name matches ``file_regex`` as a whole.

    It is read again when it has changed: by the time of its last change where the place tells one, otherwise by its
    content. Compressed files are unpacked.
    """

    type_name: ClassVar[str] = "uri"

    namespace_parse_spec: FlatDataParser
    uri: str | None = None
    uri_prefix: str | None = None
    file_regex: str | None = None
    version_regex: str | None = None
    _pattern: re.Pattern[str] = field(init=False, eq=False, repr=False, metadata=wire(skip=True))

    def __attrs_post_init__(self) -> None:
        if (self.uri is None) == (self.uri_prefix is None):
            raise invalid_input("Either uri xor uriPrefix required")
        if self.file_regex is not None and self.version_regex is not None:
            raise invalid_input("Cannot specify both versionRegex and fileRegex. versionRegex is deprecated")
        expression = self.file_regex if self.file_regex is not None else self.version_regex
        if self.uri is not None and expression is not None:
            raise invalid_input("Cannot define both uri and fileRegex")
        try:
            object.__setattr__(self, "_pattern", re.compile(expression or ".*"))
        except re.error as failure:
            raise invalid_input(f"Could not parse `fileRegex` [{expression}]") from failure
        super().__attrs_post_init__()

    def load(self, last_version: str | None, context: LookupContext) -> Cached | None:
        """See `ExtractionNamespace`."""
        entity = self._entity(context)
        modified = entity.modified_ms
        if modified is not None and str(modified) == last_version:
            return None
        digest = hashlib.sha256()
        with open_unpacked(entity) as unpacked:
            stream = io.BufferedReader(cast(io.RawIOBase, _Hashing(cast(BinaryIO, unpacked), digest)), 1 << 20)
            with io.TextIOWrapper(stream, encoding="utf-8", errors="replace") as lines:
                entries = dict(self.namespace_parse_spec.pairs(line.rstrip("\n") for line in lines))
        version = digest.hexdigest() if modified is None else str(modified)
        self.warn_if_large(entries, entity.uri)
        return None if version == last_version else Cached(version, entries)

    def _entity(self, context: LookupContext) -> InputEntity:
        if self.uri is not None:
            found = list(source_of(self.uri, context).entities())
            if not found:
                raise not_found(f"There is nothing to read at [{self.uri}]")
            return found[0]
        prefix = str(self.uri_prefix)
        candidates = [each for each in below(prefix, context) if self._pattern.fullmatch(_name(each))]
        if not candidates:
            raise not_found(f"Could not find match for pattern `{self._pattern.pattern}` in [{prefix}]")
        return max(candidates, key=lambda each: (each.modified_ms or 0, each.uri))


class _Hashing(io.RawIOBase):
    """A stream whose bytes are hashed as they are read."""

    def __init__(self, stream: BinaryIO, digest: Any) -> None:
        self._stream = stream
        self._digest = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._digest.update(data)
        buffer[: len(data)] = data
        return len(data)


def _name(entity: InputEntity) -> str:
    return unquote(urlsplit(entity.uri).path).rpartition("/")[2]


def source_of(uri: str, context: LookupContext) -> InputSource:
    """The input source that reads a URI: of the extension that has its scheme. Raises for an unknown scheme."""
    scheme = urlsplit(uri).scheme.lower()
    if scheme in ("file", ""):
        return _source({"type": "local", "files": [_path(uri)]}, context)
    if scheme in ("http", "https"):
        return _source({"type": "http", "uris": [uri]}, context)
    return _source({"type": _store_type(scheme, context), "uris": [uri]}, context)


def below(prefix: str, context: LookupContext) -> Iterator[InputEntity]:
    """The files in the folder of a prefix, without those of folders in it."""
    scheme = urlsplit(prefix).scheme.lower()
    if scheme in ("file", ""):
        folder = Path(_path(prefix))
        folder = folder if folder.is_dir() else folder.parent
        files = sorted(str(path) for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        yield from _source({"type": "local", "files": files}, context).entities() if files else ()
        return
    if scheme in ("http", "https"):
        raise invalid_input(f"[{prefix}]: a web server cannot be searched; give the uri of the file")
    folder_uri = prefix.rpartition("/")[0] + "/"
    source = _source({"type": _store_type(scheme, context), "prefixes": [folder_uri]}, context)
    yield from (each for each in source.entities() if "/" not in each.uri.removeprefix(folder_uri))


def _path(uri: str) -> str:
    return unquote(urlsplit(uri).path) if uri.lower().startswith("file:") else uri


def _store_type(scheme: str, context: LookupContext) -> str:
    known: list[str] = []
    for name, entry in context.json.registry.entries(InputSource).items():
        schemes = getattr(entry.load(), "schemes", ())
        if scheme in schemes:
            return name
        known += schemes
    shown = ", ".join(sorted({"file", "http", "https", *known}))
    raise invalid_input(f"Unknown loader type[{scheme}].  Known types are [{shown}]")


def _source(spec: dict[str, Any], context: LookupContext) -> InputSource:
    source: InputSource = context.json.structure(spec, InputSource)
    return source
