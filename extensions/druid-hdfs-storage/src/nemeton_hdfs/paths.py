"""HDFS paths as places in an object store: the bucket is the authority of the URI, the key the path."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from nemeton.common.errors import invalid_input
from nemeton.spi.objects import ObjectLocation

SCHEME = "hdfs"


def parse(uri: str, what: str) -> ObjectLocation:
    """The place that a URI or an absolute path names; ``what`` is for the error of one that names none."""
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme not in ("", SCHEME, "webhdfs") or not parts.path.startswith("/"):
        raise invalid_input(f"{what}: [{uri}] must be of the form hdfs://host:port/path, or an absolute path")
    path = uri.split("://", 1)[-1]
    key = path.partition("/")[2]  # a question mark is a letter like any other
    return ObjectLocation(parts.netloc, unquote(key).strip("/"))


def to_uri(location: ObjectLocation) -> str:
    """``hdfs://host:port/path``; without a host ``/path``, which Hadoop reads by its default file system."""
    return f"{SCHEME}://{location.bucket}/{location.key}" if location.bucket else f"/{location.key}"
