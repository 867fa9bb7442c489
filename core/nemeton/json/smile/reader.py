"""Smile to plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nemeton.json.smile import packing
from nemeton.json.smile.packing import HEADER, MAX_SHARED, SHARED_NAMES, SHARED_VALUES, SmileError

MAX_DEPTH = 1000
"""How deep arrays and objects may be nested."""

_START_ARRAY, _END_ARRAY, _START_OBJECT, _END_OBJECT = 0xF8, 0xF9, 0xFA, 0xFB
_STARTS = frozenset((_START_ARRAY, _START_OBJECT))
_END_OF_STRING, _END_OF_CONTENT = b"\xfc", 0xFF
_LITERALS: Mapping[int, Any] = {
    0x20: "",
    0x21: None,
    0x22: False,
    0x23: True,
    **{0xC0 + i: packing.unzigzag(i) for i in range(32)},
}


def loads(data: bytes | bytearray | memoryview) -> Any:
    """The value that the content holds. Raises `SmileError` for anything that is not one whole Smile document.

    The header may be missing, as Jackson allows; names are shared then and values are not. One end-of-content marker
    may stand at the end. What is read takes memory in proportion to the content, however it is made.
    """
    content = bytes(data)
    try:
        reader, start = _begin(content)
        value, end = reader.read(start)
    except IndexError:
        raise SmileError("it ends too soon") from None
    except UnicodeDecodeError as failure:
        raise SmileError(f"a string is not valid text: {failure}") from None
    if end < len(content) and content[end] == _END_OF_CONTENT:
        end += 1
    if end != len(content):
        raise SmileError(f"{len(content) - end} bytes follow the value")
    return value


def _begin(content: bytes) -> tuple[_Reader, int]:
    if not content.startswith(HEADER):
        return _Reader(content, SHARED_NAMES), 0
    flags = content[len(HEADER)]
    if flags >> 4:
        raise SmileError(f"its version is {flags >> 4}, and only version 0 is known")
    return _Reader(content, flags), len(HEADER) + 1


class _Reader:
    """Reads one document; its tables of names and values grow with what they refer to."""

    def __init__(self, data: bytes, flags: int) -> None:
        self._data = data
        self._names = _Shared(kept=bool(flags & SHARED_NAMES))
        self._values = _Shared(kept=bool(flags & SHARED_VALUES))

    def read(self, pos: int) -> tuple[Any, int]:
        """The value at the position, and the position after it."""
        value, pos = self._value(pos)
        if value is not _START:
            return value, pos
        return self._container(pos - 1)

    def _container(self, pos: int) -> tuple[Any, int]:
        """Walks nested arrays and objects without recursion; ``holder`` is the innermost one that is open."""
        data, read_value, read_name = self._data, self._value, self._name
        holder: Any = [] if data[pos] == _START_ARRAY else {}
        outer: list[tuple[Any, str]] = []
        name = ""
        pos += 1
        while True:
            token = data[pos]
            if type(holder) is dict:
                ended = token == _END_OBJECT
                if not ended:
                    name, pos = read_name(pos)
            else:
                ended = token == _END_ARRAY
            if ended:
                pos += 1
                if not outer:
                    return holder, pos
                value = holder
                holder, name = outer.pop()
            else:
                value, pos = read_value(pos)
                if value is _START:
                    if len(outer) + 2 > MAX_DEPTH:
                        raise SmileError(f"it is nested more than {MAX_DEPTH} deep")
                    outer.append((holder, name))
                    holder = [] if data[pos - 1] == _START_ARRAY else {}
                    continue
            if type(holder) is dict:
                holder[name] = value
            else:
                holder.append(value)

    def _value(self, pos: int) -> tuple[Any, int]:
        """A scalar; or `_START` with the position after the token that opens an array or object."""
        data = self._data
        token = data[pos]
        if 0x40 <= token < 0xC0:  # a short string; its length is in the token
            start = pos + 1
            end = start + ((token - 0x3F) if token < 0x80 else (token - 0x7E))
            if end > len(data):
                raise SmileError("it ends within a string")
            text = data[start:end].decode("ascii" if token < 0x80 else "utf-8")
            if self._values.kept:
                self._values.add(text)
            return text, end
        if token in _LITERALS:
            return _LITERALS[token], pos + 1
        if token in _STARTS:
            return _START, pos + 1
        if 0 < token < 0x20:
            return self._values.get(token - 1), pos + 1
        if 0xEC <= token < 0xF0:
            return self._values.get((token & 3) << 8 | data[pos + 1]), pos + 2
        read = _SCALARS.get(token)
        if read is None:
            raise SmileError(f"byte 0x{token:02x} at {pos} begins no value")
        return read(data, pos + 1)

    def _name(self, pos: int) -> tuple[str, int]:
        data = self._data
        token = data[pos]
        if 0x40 <= token < 0x80:
            return self._names.get(token - 0x40), pos + 1
        if 0x80 <= token < 0xF8:  # a short name; its length is in the token
            start = pos + 1
            end = start + ((token - 0x7F) if token < 0xC0 else (token - 0xBE))
            if end > len(data):
                raise SmileError("it ends within a property name")
            name = data[start:end].decode("ascii" if token < 0xC0 else "utf-8")
            self._names.add(name)
            return name, end
        if 0x30 <= token < 0x34:
            return self._names.get((token & 3) << 8 | data[pos + 1]), pos + 2
        if token == 0x20:
            return "", pos + 1
        if token == 0x34:
            name, end = _long_unicode(data, pos + 1)
            self._names.add(name)
            return name, end
        raise SmileError(f"byte 0x{token:02x} at {pos} begins no property name")


class _Shared:
    """Strings that may be referred to by their place; when the table is full, it starts over."""

    __slots__ = ("_seen", "kept")

    def __init__(self, *, kept: bool) -> None:
        self.kept = kept
        self._seen: list[str] = []

    def add(self, text: str) -> None:
        if self.kept:
            if len(self._seen) == MAX_SHARED:
                self._seen = []
            self._seen.append(text)

    def get(self, place: int) -> str:
        if place >= len(self._seen):
            raise SmileError(f"it refers to shared string {place} of {len(self._seen)}")
        return self._seen[place]


class _Start:
    """Stands for the beginning of an array or object."""


_START: Any = _Start()


def _int32(data: bytes, pos: int) -> tuple[int, int]:
    value, pos = packing.read_vint(data, pos)
    if value >> 32:
        raise SmileError("an int has more than 32 bits")
    return packing.unzigzag(value), pos


def _int64(data: bytes, pos: int) -> tuple[int, int]:
    value, pos = packing.read_vint(data, pos)
    return packing.unzigzag(value), pos


def _long_ascii(data: bytes, pos: int) -> tuple[str, int]:
    return _long_text(data, pos, "ascii")


def _long_unicode(data: bytes, pos: int) -> tuple[str, int]:
    return _long_text(data, pos, "utf-8")


def _long_text(data: bytes, pos: int, encoding: str) -> tuple[str, int]:
    end = data.find(_END_OF_STRING, pos)
    if end < 0:
        raise SmileError("it ends within a string")
    return data[pos:end].decode(encoding), end + 1


def _raw_binary(data: bytes, pos: int) -> tuple[bytes, int]:
    size, pos = packing.read_vint(data, pos)
    if size > len(data) - pos:
        raise SmileError(f"it ends within {size} bytes of binary data")
    return data[pos : pos + size], pos + size


_SCALARS: Mapping[int, Callable[[bytes, int], tuple[Any, int]]] = {
    0x24: _int32,
    0x25: _int64,
    0x26: packing.read_big_integer,
    0x28: packing.read_float,
    0x29: packing.read_double,
    0x2A: packing.read_big_decimal,
    0xE0: _long_ascii,
    0xE4: _long_unicode,
    0xE8: packing.read_packed,
    0xFD: _raw_binary,
}
