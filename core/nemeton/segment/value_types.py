"""The types that values of an `auto` column or of a document's field have, and what type the whole has."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from nemeton.segment.typed_values import TypedValues, bounds

STRING, LONG, DOUBLE = 1, 4, 8
STRING_ARRAY, LONG_ARRAY, DOUBLE_ARRAY = 16, 32, 64
ARRAYS = STRING_ARRAY | LONG_ARRAY | DOUBLE_ARRAY
_SCALARS = (STRING, LONG, DOUBLE)
_AS_ARRAY = {STRING: STRING_ARRAY, LONG: LONG_ARRAY, DOUBLE: DOUBLE_ARRAY}
NAMES = {
    STRING: "STRING",
    LONG: "LONG",
    DOUBLE: "DOUBLE",
    STRING_ARRAY: "ARRAY<STRING>",
    LONG_ARRAY: "ARRAY<LONG>",
    DOUBLE_ARRAY: "ARRAY<DOUBLE>",
}


@frozen
class TypeSet:
    """``types``: bits as Druid stores them. Arrays that are empty, or hold nothing but nulls, have no type."""

    types: int = 0
    has_untyped_array: bool = False

    @classmethod
    def of(cls, values: TypedValues) -> TypeSet:
        """The types of the values that occur."""
        used = np.zeros(values.starts[4], bool)
        used[values.ids] = True
        types = 0
        for kind, bit in enumerate(_SCALARS):
            if used[values.starts[kind] : values.starts[kind + 1]].any():
                types |= bit
        arrays = values.arrays.take(np.flatnonzero(used[values.starts[3] :]))
        if not len(arrays):
            return cls(types)
        for kind, bit in enumerate(_SCALARS):
            start, stop = values.starts[kind], values.starts[kind + 1]
            if ((arrays.elements >= start) & (arrays.elements < stop)).any():
                types |= _AS_ARRAY[bit]
        real = bounds(arrays.elements != 0)
        untyped = real[arrays.offsets[1:]] == real[arrays.offsets[:-1]]
        return cls(types, bool(untyped.any()))

    @property
    def is_empty(self) -> bool:
        """Whether there is no value but null."""
        return not self.types and not self.has_untyped_array

    @property
    def single(self) -> int | None:
        """The bit of the only type; None when there are several, or none."""
        if not self.types:
            return LONG_ARRAY if self.has_untyped_array else None
        if self.types & (self.types - 1):
            return None
        return None if self.has_untyped_array and self.types in _SCALARS else self.types

    @property
    def byte(self) -> int:
        """The bits of a column of several types."""
        if self.has_untyped_array and self.types in _SCALARS:
            return self.types | _AS_ARRAY[self.types]
        return self.types

    @property
    def field_byte(self) -> int:
        """The bits of a field of a document: with untyped arrays, some array type is always among them."""
        byte = self.byte
        if not self.has_untyped_array:
            return byte
        widest = least_restrictive(byte)
        if widest is None:
            return LONG_ARRAY
        return byte | _AS_ARRAY.get(widest, 0)


def least_restrictive(types: int) -> int | None:
    """The type that all of these convert to: strings before doubles before longs, arrays before scalars."""
    for bit in _SCALARS:
        if types & (bit | _AS_ARRAY[bit]):
            break
    else:
        return None
    if types & (LONG | LONG_ARRAY) and types & (DOUBLE | DOUBLE_ARRAY) and bit == LONG:
        bit = DOUBLE
    return _AS_ARRAY[bit] if types & ARRAYS else bit
