"""The result formats: object, array, objectLines, arrayLines and csv, written some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from attrs import frozen

from nemeton.json import Json
from nemeton.sql.logical import Field
from nemeton.sql.results import ShownRows

CHUNK = 64 * 1024
"""Bytes that are gathered before they go out; the memory that a response holds beside some rows."""
_ENCODED_FIRST, _ENCODED_AT_ONCE = 32, 512

Values = Sequence[Any]
Blocks = Iterable[ShownRows]


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


def write(name: str, fields: tuple[Field, ...], blocks: Blocks, headers: Headers, json: Json) -> Iterator[bytes]:
    """The body in the named format, in pieces of about :data:`CHUNK` bytes."""
    return _chunked(FORMATS[name](fields, blocks, headers, json))


def _chunked(parts: Iterable[bytes]) -> Iterator[bytes]:
    buffer = bytearray()
    for part in parts:
        buffer += part
        if len(buffer) >= CHUNK:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


@frozen
class _Items:
    """Some of the values that the answer lists, and what writes them."""

    values: Sequence[Any]
    encode: Callable[[Any], bytes]


def _objects(fields: tuple[Field, ...], headers: Headers, blocks: Blocks, json: Json) -> Iterator[_Items]:
    names = [field.name for field in fields]
    yield _Items(list(headers.as_object(fields)), json.dumps)
    for block in blocks:
        yield _Items([dict(zip(names, row, strict=True)) for row in block.rows], _encoder(block, json))


def _arrays(fields: tuple[Field, ...], headers: Headers, blocks: Blocks, json: Json) -> Iterator[_Items]:
    yield _Items(list(headers.as_arrays(fields)), json.dumps)
    for block in blocks:
        yield _Items(block.rows, _encoder(block, json))


def _encoder(block: ShownRows, json: Json) -> Callable[[Any], bytes]:
    return json.dumps_plain if block.are_plain else json.dumps


def _object(fields: tuple[Field, ...], blocks: Blocks, headers: Headers, json: Json) -> Iterator[bytes]:
    return _json_list(_objects(fields, headers, blocks, json))


def _array(fields: tuple[Field, ...], blocks: Blocks, headers: Headers, json: Json) -> Iterator[bytes]:
    return _json_list(_arrays(fields, headers, blocks, json))


def _object_lines(fields: tuple[Field, ...], blocks: Blocks, headers: Headers, json: Json) -> Iterator[bytes]:
    return _lines(_objects(fields, headers, blocks, json))


def _array_lines(fields: tuple[Field, ...], blocks: Blocks, headers: Headers, json: Json) -> Iterator[bytes]:
    return _lines(_arrays(fields, headers, blocks, json))


def _json_list(blocks: Iterable[_Items]) -> Iterator[bytes]:
    """As many at once as make a piece, by the size of those before."""
    separator = b"["
    size = _ENCODED_FIRST
    for block in blocks:
        at = 0
        while at < len(block.values):
            some = block.values[at : at + size]
            at += len(some)
            text = block.encode(some)
            yield separator + text[1:-1]
            separator = b","
            size = max(1, min(_ENCODED_AT_ONCE, CHUNK // 2 * len(some) // len(text)))
    yield b"[]\n" if separator == b"[" else b"]\n"


def _lines(blocks: Iterable[_Items]) -> Iterator[bytes]:
    """An empty line at the end tells the reader that nothing is missing."""
    separator = b""
    for block in blocks:
        for item in block.values:
            yield separator + block.encode(item)
            separator = b"\n"
    yield b"\n\n"


def _csv(fields: tuple[Field, ...], blocks: Blocks, headers: Headers, json: Json) -> Iterator[bytes]:
    for block in _arrays(fields, headers, blocks, json):
        for row in block.values:
            yield (",".join(_csv_cell(value, json) for value in row) + "\n").encode()
    yield b"\n"


def _csv_cell(value: Any, json: Json) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value).decode().strip('"')
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
