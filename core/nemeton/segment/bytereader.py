"""A bounded cursor over the bytes of one part of a segment."""

from __future__ import annotations

from nemeton.segment.errors import corrupt


class ByteReader:
    """Reads framing fields one after the other; running past the end is a `corrupt` error, never an IndexError.

    Framing integers are big-endian whatever the payload's byte order is. Slices are views of the mapped file: nothing
    is copied until somebody decodes.
    """

    __slots__ = ("data", "part", "pos")

    def __init__(self, data: memoryview, part: str) -> None:
        self.data = data
        self.part = part
        self.pos = 0

    @property
    def remaining(self) -> int:
        """How many bytes have not been read yet."""
        return len(self.data) - self.pos

    def take(self, size: int) -> memoryview:
        """Return the next `size` bytes as a view."""
        if not 0 <= size <= self.remaining:
            raise corrupt(self.part, f"needs {size} bytes at offset {self.pos}, but only {self.remaining} are left")
        view = self.data[self.pos : self.pos + size]
        self.pos += size
        return view

    def rest(self) -> memoryview:
        """Return everything that has not been read yet."""
        return self.take(self.remaining)

    def u8(self) -> int:
        """Read one unsigned byte."""
        return self.take(1)[0]

    def i32(self) -> int:
        """Read a big-endian 32-bit integer."""
        return int.from_bytes(self.take(4), "big", signed=True)

    def i64(self) -> int:
        """Read a big-endian 64-bit integer."""
        return int.from_bytes(self.take(8), "big", signed=True)

    def size(self, what: str) -> int:
        """Read a 32-bit count or length that may not be negative."""
        value = self.i32()
        if value < 0:
            raise corrupt(self.part, f"{what} is negative: {value}")
        return value

    def str32(self, what: str) -> str:
        """Read a length-prefixed UTF-8 string."""
        try:
            return str(self.take(self.size(f"length of {what}")), "utf-8")
        except UnicodeDecodeError as e:
            raise corrupt(self.part, f"{what} is not UTF-8") from e

    def vbyte(self) -> int:
        """Read Druid's variable-length int: 7 bits a byte, low bits first, the last byte has its top bit set."""
        value = shift = 0
        while shift < 35:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte & 0x80:
                return value
            shift += 7
        raise corrupt(self.part, "variable-length integer is longer than 5 bytes")

    def sub(self, data: memoryview, what: str) -> ByteReader:
        """Return a reader over `data` whose errors name `what` within this part."""
        return ByteReader(data, f"{self.part}: {what}")
