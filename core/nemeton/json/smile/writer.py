"""Plain data to Smile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from nemeton.json.smile import packing
from nemeton.json.smile.packing import HEADER, MAX_SHARED, RAW_BINARY, SHARED_NAMES, SHARED_VALUES, SmileError
from nemeton.json.smile.reader import MAX_DEPTH

_MAX_SHORT_BYTES = 64
_MAX_SHORT_UNICODE_NAME_BYTES = 56
_START_ARRAY, _END_ARRAY, _START_OBJECT, _END_OBJECT = 0xF8, 0xF9, 0xFA, 0xFB
_END_OF_STRING = 0xFC


def dumps(value: Any, *, share_values: bool = False) -> bytes:
    """One document, header and all, without an end marker, as Druid's Jackson writes it.

    Property names are shared; ``share_values`` also replaces short strings by references to earlier ones, which makes
    content smaller whose strings repeat. Raises `SmileError` for what is no plain data, or is nested too deeply.
    """
    writer = _Writer(share_values)
    writer.write(value)
    return bytes(writer.out)


def dump_array(batches: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    """As `dumps`, of one array whose members come in batches: a piece of the document for each, and one at the end."""
    writer = _Writer(share_values=False)
    writer.out.append(_START_ARRAY)
    for batch in batches:
        for member in batch:
            writer.write(member)
        yield writer.take()
    writer.out.append(_END_ARRAY)
    yield writer.take()


class _Writer:
    """Writes one document into `out`."""

    def __init__(self, share_values: bool) -> None:
        flags = SHARED_NAMES | RAW_BINARY | (SHARED_VALUES if share_values else 0)
        self.out = bytearray(HEADER)
        self.out.append(flags)
        self._names = _References(_short_name_reference, _long_name_reference)
        self._values = _References(_short_value_reference, _long_value_reference) if share_values else None
        self._scalars: Mapping[type, Callable[[Any], None]] = {
            str: self._string,
            int: self._integer,
            bool: lambda value: self.out.append(0x23 if value else 0x22),
            type(None): lambda _: self.out.append(0x21),
            float: self._double,
            bytes: self._binary,
            Decimal: self._decimal,
        }

    def take(self) -> bytes:
        """What was written since the last time."""
        written = bytes(self.out)
        self.out.clear()
        return written

    def write(self, value: Any) -> None:
        """Walks nested arrays and objects without recursion; ``members`` is what is left of the innermost one."""
        out, scalars = self.out, self._scalars
        members: Iterator[Any] = iter((value,))
        in_object = False
        outer: list[tuple[Iterator[Any], bool]] = []
        while True:
            for member in members:
                if in_object:
                    name, member = member  # members of objects are pairs
                    self._name(name)
                write = scalars.get(type(member))
                if write is not None:
                    write(member)
                elif (plain := _plain(member)) is not None:
                    scalars[type(plain)](plain)
                else:
                    if len(outer) + 1 > MAX_DEPTH:
                        raise SmileError(f"it is nested more than {MAX_DEPTH} deep")
                    outer.append((members, in_object))
                    in_object = isinstance(member, Mapping)
                    out.append(_START_OBJECT if in_object else _START_ARRAY)
                    members = iter(member.items() if in_object else member)
                    break
            else:
                if not outer:
                    return
                out.append(_END_OBJECT if in_object else _END_ARRAY)
                members, in_object = outer.pop()

    # ---- names and strings

    def _name(self, name: Any) -> None:
        reference = self._names.get(name)
        if reference is not None:
            self.out += reference
            return
        if not isinstance(name, str):
            raise SmileError(f"a property name must be a string, not a {type(name).__name__}")
        raw = _encode(name)
        size = len(raw)
        if size == 0:
            self.out.append(0x20)
            return
        if size <= _MAX_SHORT_BYTES and name.isascii():
            self.out.append(0x7F + size)
            self.out += raw
        elif size <= _MAX_SHORT_UNICODE_NAME_BYTES:
            self.out.append(0xBE + size)
            self.out += raw
        else:
            self.out.append(0x34)
            self.out += raw
            self.out.append(_END_OF_STRING)
        self._names.add(name)

    def _string(self, text: str) -> None:
        if self._values is not None and (reference := self._values.get(text)) is not None:
            self.out += reference
            return
        raw = _encode(text)
        size = len(raw)
        if size == 0:
            self.out.append(0x20)
        elif size <= _MAX_SHORT_BYTES:
            self.out.append((0x3F if text.isascii() else 0x7E) + size)
            self.out += raw
            if self._values is not None:
                self._values.add(text)
        else:
            self.out.append(0xE0 if text.isascii() else 0xE4)
            self.out += raw
            self.out.append(_END_OF_STRING)

    # ---- numbers and bytes

    def _integer(self, value: int) -> None:
        if -16 <= value < 16:
            self.out.append(0xC0 + packing.zigzag(value))
        elif -(2**63) <= value < 2**63:
            self.out.append(0x24 if -(2**31) <= value < 2**31 else 0x25)
            packing.write_vint(self.out, packing.zigzag(value))
        else:
            self.out.append(0x26)
            packing.write_big_integer(self.out, value)

    def _double(self, value: float) -> None:
        self.out.append(0x29)
        packing.write_double(self.out, value)

    def _decimal(self, value: Decimal) -> None:
        if not value.is_finite():
            self._double(float(value))
            return
        self.out.append(0x2A)
        packing.write_big_decimal(self.out, value)

    def _binary(self, value: bytes) -> None:
        self.out.append(0xFD)
        packing.write_vint(self.out, len(value))
        self.out += value


class _References(dict[str, bytes]):
    """Strings that were written, with what is written in their place from then on."""

    def __init__(self, short: Callable[[int], bytes | None], long: Callable[[int], bytes]) -> None:
        super().__init__()
        self._short = short
        self._long = long
        self._count = 0

    def add(self, text: str) -> None:
        """Note the next string; the reader counts in the same way."""
        if self._count == MAX_SHARED:
            self.clear()
            self._count = 0
        if self._count & 0xFF < 0xFE:  # those two bytes must not occur, so the string is written out again
            self[text] = self._short(self._count) or self._long(self._count)
        self._count += 1


def _short_name_reference(place: int) -> bytes | None:
    return bytes((0x40 + place,)) if place < 64 else None


def _long_name_reference(place: int) -> bytes:
    return bytes((0x30 | place >> 8, place & 0xFF))


def _short_value_reference(place: int) -> bytes | None:
    return bytes((1 + place,)) if place < 31 else None


def _long_value_reference(place: int) -> bytes:
    return bytes((0xEC | place >> 8, place & 0xFF))


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise SmileError("a string has half of a surrogate pair, which is no text") from None


def _plain(value: Any) -> Any:
    """The scalar behind a subclass or a buffer; None for arrays and objects."""
    for scalar in (str, int, float, Decimal):
        if isinstance(value, scalar):
            return scalar(value)
    if isinstance(value, bytearray | memoryview | bytes):
        return bytes(value)
    if isinstance(value, Mapping | list | tuple):
        return None
    raise SmileError(f"a {type(value).__qualname__} has no form in Smile")
