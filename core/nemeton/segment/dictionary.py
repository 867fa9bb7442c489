"""String dictionaries: sorted distinct values, null first, read one at a time or all at once."""

from __future__ import annotations

import bisect
import hashlib
import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, frozen

from nemeton.segment.bytereader import ByteReader
from nemeton.segment.errors import corrupt
from nemeton.segment.generic_indexed import GenericIndexed
from nemeton.segment.java_order import java_key, java_sort_key
from nemeton.segment.smoosh import SmooshReader

if TYPE_CHECKING:
    import pyarrow as pa

_ENCODED = 0x7F
_GENERIC, _FRONT_CODED = 0, 1
_MARKER = 4
_SEPARATOR = "\0" * _MARKER


class StringDictionary(ABC):
    """A column's dictionary. A lookup of one value costs a few slices however large the dictionary is."""

    has_null: bool

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def utf8(self, code: int) -> bytes | None:
        """Return one value's bytes, None for null; raises IndexError outside the dictionary."""

    @abstractmethod
    def to_list(self) -> list[str | None]:
        """Decode the whole dictionary into strings; does not need Arrow, which costs memory to have loaded."""

    @abstractmethod
    def to_arrow(self) -> pa.LargeStringArray:
        """Decode the whole dictionary into an Arrow array."""

    def digest(self) -> bytes:
        """Return a digest that dictionaries share only when they hold the same values; here nothing is the same."""
        return os.urandom(16)

    def get(self, code: int) -> str | None:
        """Return one value. Bytes that are not UTF-8 come out as U+FFFD, as in Java."""
        utf8 = self.utf8(code)
        return None if utf8 is None else utf8.decode("utf-8", "replace")

    def index_of(self, value: str | None) -> int:
        """Return a value's code; when it is absent -(insertion point + 1), as Java's binary search does."""
        if value is None:
            return 0 if self.has_null else -1
        wanted = java_sort_key(value)
        low = 1 if self.has_null else 0
        found = bisect.bisect_left(range(len(self)), wanted, lo=low, key=self._key)
        if found < len(self) and self._key(found) == wanted:
            return found
        return -(found + 1)

    def _key(self, code: int) -> bytes:
        return java_key(self.utf8(code) or b"")


@frozen(eq=False)
class GenericDictionary(StringDictionary):
    """A dictionary stored as a plain list."""

    values: GenericIndexed
    has_null: bool

    @classmethod
    def of(cls, values: GenericIndexed) -> GenericDictionary:
        """Check and wrap a list."""
        if not len(values):
            raise corrupt(values.part, "the dictionary is empty")
        if not values.is_sorted:
            raise corrupt(values.part, "the dictionary is not sorted")
        return cls(values, values.get(0) is None)

    def __len__(self) -> int:
        return len(self.values)

    def utf8(self, code: int) -> bytes | None:
        """Return one value's bytes."""
        value = self.values.get(code)
        return None if value is None else bytes(value)

    def digest(self) -> bytes:
        """Return the digest of the stored bytes."""
        return _digest(b"list", self.values.ends, *self.values.areas)

    def to_list(self) -> list[str | None]:
        """Decode everything, by area."""
        values: list[str | None] = [None] if self.has_null else []
        for area, bounds in self.values.spans():
            values += _area_strings(area, bounds[1:] if self.has_null and len(values) == 1 else bounds)
        return values

    def to_arrow(self) -> pa.LargeStringArray:
        """Decode everything with a handful of vectorised steps."""
        pieces, lengths = [], [np.zeros(1, np.int64)]
        for area, bounds in self.values.spans():
            pieces.append(_payload(area, bounds))
            lengths.append(np.diff(bounds) - _MARKER)
        offsets = np.cumsum(np.concatenate(lengths))
        data = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return arrow_strings(offsets, data, self.has_null)


def _digest(*parts: Any) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.tobytes() if isinstance(part, np.ndarray) else part
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.digest()


def _area_strings(area: memoryview, bounds: np.ndarray) -> list[str]:
    """The strings of an area of a list: markers of zeros cut the decoded text where no string holds a zero itself."""
    start, end = int(bounds[0]), int(bounds[-1])
    block = bytes(area[start:end])
    count = len(bounds) - 1
    if not count:
        return []
    if block.count(0) == _MARKER * count:
        try:
            found = block.decode("utf-8").split(_SEPARATOR)
        except UnicodeDecodeError:
            found = []
        if len(found) == count + 1:
            return found[1:]
    starts, ends = (bounds[:-1] - start + _MARKER).tolist(), (bounds[1:] - start).tolist()
    return [block[first:last].decode("utf-8", "replace") for first, last in zip(starts, ends, strict=True)]


def _payload(area: memoryview, bounds: np.ndarray) -> np.ndarray:
    """The bytes of an area of a list without the markers before each element."""
    raw = np.frombuffer(area, np.uint8)[: int(bounds[-1])]
    keep = np.ones(len(raw), bool)
    for i in range(_MARKER):
        keep[bounds[:-1] + i] = False
    return raw[keep]


@define(eq=False)
class FrontCodedDictionary(StringDictionary):
    """A dictionary whose values are stored as what differs from an earlier value of the same small bucket."""

    part: str
    version: int
    bucket_size: int
    has_null: bool
    count: int
    bounds: np.ndarray
    data: memoryview

    @classmethod
    def read(cls, reader: ByteReader, order: str) -> FrontCodedDictionary:
        """Read the structure after the bytes that announce it."""
        version, bucket_size, has_null = reader.u8(), reader.u8(), reader.u8() == 1
        if version > 1 or bucket_size not in (1, 2, 4, 8, 16, 32, 64, 128):
            raise corrupt(reader.part, f"front-coded version {version} with buckets of {bucket_size}")
        count, size = reader.vbyte(), reader.vbyte()
        body = ByteReader(reader.take(size), reader.part)
        buckets = -(-count // bucket_size)
        ends = np.frombuffer(body.take(4 * max(buckets - 1, 0)), f"{order}i4")
        data = body.rest()
        bounds = np.concatenate([[0], ends, [len(data)]]).astype(np.int64) if buckets else np.zeros(1, np.int64)
        if not count + has_null:
            raise corrupt(reader.part, "the dictionary is empty")
        if (np.diff(bounds) < 0).any():
            raise corrupt(reader.part, "offsets of buckets do not ascend")
        return cls(reader.part, version, bucket_size, has_null, count, bounds, data)

    def digest(self) -> bytes:
        """Return the digest of the stored bytes."""
        form = bytes([self.version, self.bucket_size, self.has_null])
        return _digest(form, self.bounds, self.data)

    def __len__(self) -> int:
        return self.count + self.has_null

    def utf8(self, code: int) -> bytes | None:
        """Return one value's bytes; reads one bucket."""
        if not 0 <= code < len(self):
            raise IndexError(code)
        if self.has_null and code == 0:
            return None
        bucket, position = divmod(code - self.has_null, self.bucket_size)
        return self._bucket(bucket, position + 1)[position]

    def _bucket(self, number: int, count: int) -> list[bytes]:
        reader = ByteReader(self.data[int(self.bounds[number]) : int(self.bounds[number + 1])], self.part)
        values = [bytes(reader.take(reader.vbyte()))]
        while len(values) < count:
            shared = values[0] if self.version == 0 else values[-1]
            prefix = reader.vbyte()
            if prefix > len(shared):
                raise corrupt(self.part, f"a prefix of {prefix} bytes of a value of {len(shared)}")
            values.append(shared[:prefix] + reader.take(reader.vbyte()))
        return values

    def to_list(self) -> list[str | None]:
        """Decode everything, bucket by bucket."""
        values: list[str | None] = [None] if self.has_null else []
        return values + [value.decode("utf-8", "replace") for value in self._all()]

    def _all(self) -> list[bytes]:
        """All values that are not null."""
        values: list[bytes] = []
        for bucket in range(len(self.bounds) - 1):
            values += self._bucket(bucket, min(self.bucket_size, self.count - bucket * self.bucket_size))
        return values

    def to_arrow(self) -> pa.LargeStringArray:
        """Decode everything, bucket by bucket."""
        values = [b"", *self._all()] if self.has_null else self._all()
        offsets = np.cumsum([0, *map(len, values)])
        return arrow_strings(offsets, np.frombuffer(b"".join(values), np.uint8), self.has_null)


def arrow_strings(offsets: np.ndarray, data: np.ndarray, has_null: bool) -> pa.LargeStringArray:
    """Make an Arrow array of UTF-8 values, the first of which is null if so said; repairs what is not UTF-8."""
    import pyarrow as pa

    count = len(offsets) - 1
    validity = None
    if has_null:
        bits = np.full(-(-count // 8), 0xFF, np.uint8)
        bits[0] = 0xFE
        validity = pa.py_buffer(bits)
    buffers = [validity, pa.py_buffer(offsets.astype(np.int64, copy=False)), pa.py_buffer(data)]
    array = pa.Array.from_buffers(pa.large_string(), count, buffers)
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        repaired = [
            None if v is None else v.decode("utf-8", "replace") for v in array.cast(pa.large_binary()).to_pylist()
        ]
        return pa.array(repaired, pa.large_string())
    return array


def read_dictionary(reader: ByteReader, smoosh: SmooshReader, order: str) -> StringDictionary:
    """Read a string dictionary in whichever form it is."""
    if reader.remaining and reader.data[reader.pos] == _ENCODED:
        reader.u8()
        form = reader.u8()
        if form == _FRONT_CODED:
            return FrontCodedDictionary.read(reader, order)
        if form != _GENERIC:
            raise corrupt(reader.part, f"unknown form {form} of a dictionary")
    return GenericDictionary.of(GenericIndexed.read(reader, smoosh))
