"""The result formats: object, array, objectLines, arrayLines and csv, written some rows at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from nemeton.sql.logical import Field

CHUNK = 64 * 1024
"""Bytes that are gathered before they go out; the memory that a response holds beside some rows."""
_ENCODED_FIRST, _ENCODED_AT_ONCE = 32, 512

Encode = Callable[[Any], bytes]
Values = Sequence[Any]
Rows = Iterable[Values]


@frozen
class Headers:
    """Which header rows the client wants before the rows."""

    names: bool = False
    types: bool = False
    sql_types: bool = False

    def as_object(self, fields: tuple[Field, ...]) -> Iterator[Any]:
        """The one header object of the object formats."""
        if not self.names:
            return
        if not self.types and not self.sql_types:
            yield {field.name: None for field in fields}
            return
        yield {
            field.name: {
                **({"type": field.type.native} if self.types else {}),
                **({"sqlType": field.type.name} if self.sql_types else {}),
            }
            for field in fields
        }

    def as_arrays(self, fields: tuple[Field, ...]) -> Iterator[Values]:
        """The header rows of the array formats and of CSV."""
        if not self.names:
            return
        yield [field.name for field in fields]
        if self.types:
            yield [field.type.native for field in fields]
        if self.sql_types:
            yield [field.type.name for field in fields]


def write(name: str, fields: tuple[Field, ...], rows: Rows, headers: Headers, encode: Encode) -> Iterator[bytes]:
    """The body in the named format, in pieces of about :data:`CHUNK` bytes. `encode` writes one JSON value."""
    return _chunked(FORMATS[name](fields, rows, headers, encode))


def _chunked(parts: Iterable[bytes]) -> Iterator[bytes]:
    buffer = bytearray()
    for part in parts:
        buffer += part
        if len(buffer) >= CHUNK:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def _objects(fields: tuple[Field, ...], rows: Rows) -> Iterator[Mapping[str, Any]]:
    names = [field.name for field in fields]
    return (dict(zip(names, row, strict=True)) for row in rows)


def _object(fields: tuple[Field, ...], rows: Rows, headers: Headers, encode: Encode) -> Iterator[bytes]:
    return _json_list(_chain(headers.as_object(fields), _objects(fields, rows)), encode)


def _array(fields: tuple[Field, ...], rows: Rows, headers: Headers, encode: Encode) -> Iterator[bytes]:
    return _json_list(_chain(headers.as_arrays(fields), rows), encode)


def _object_lines(fields: tuple[Field, ...], rows: Rows, headers: Headers, encode: Encode) -> Iterator[bytes]:
    return _lines(_chain(headers.as_object(fields), _objects(fields, rows)), encode)


def _array_lines(fields: tuple[Field, ...], rows: Rows, headers: Headers, encode: Encode) -> Iterator[bytes]:
    return _lines(_chain(headers.as_arrays(fields), rows), encode)


def _chain(*parts: Iterable[Any]) -> Iterator[Any]:
    for part in parts:
        yield from part


def _json_list(items: Iterable[Any], encode: Encode) -> Iterator[bytes]:
    separator = b"["
    rest = iter(items)
    size = _ENCODED_FIRST
    while block := list(itertools.islice(rest, size)):
        text = encode(block)
        yield separator + text[1:-1]
        separator = b","
        size = max(1, min(_ENCODED_AT_ONCE, CHUNK // 2 * len(block) // len(text)))
    yield b"[]\n" if separator == b"[" else b"]\n"


def _lines(items: Iterable[Any], encode: Encode) -> Iterator[bytes]:
    """An empty line at the end tells the reader that nothing is missing."""
    separator = b""
    for item in items:
        yield separator + encode(item)
        separator = b"\n"
    yield b"\n\n"


def _csv(fields: tuple[Field, ...], rows: Rows, headers: Headers, encode: Encode) -> Iterator[bytes]:
    for row in _chain(headers.as_arrays(fields), rows):
        yield (",".join(_csv_cell(value, encode) for value in row) + "\n").encode()
    yield b"\n"


def _csv_cell(value: Any, encode: Encode) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else encode(value).decode().strip('"')
    if any(sign in text for sign in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


FORMATS: dict[str, Callable[..., Iterator[bytes]]] = {
    "object": _object,
    "array": _array,
    "objectLines": _object_lines,
    "arrayLines": _array_lines,
    "csv": _csv,
}
