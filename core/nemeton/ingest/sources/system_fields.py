"""The ``systemFields`` of input sources: columns that say where a record comes from."""

from __future__ import annotations

from collections.abc import Iterable

from nemeton.common.errors import invalid_input

URI, BUCKET, PATH = "__file_uri", "__file_bucket", "__file_path"


def as_system_fields(given: Iterable[str] | None) -> tuple[str, ...]:
    """Their names; others than Druid knows are refused."""
    names = tuple(given or ())
    for name in names:
        if name not in (URI, BUCKET, PATH):
            raise invalid_input(f"No such system field[{name}] (inputSource.systemFields)")
    return names
