"""The dictionary of array, variant and nested columns: strings, longs, doubles and arrays in one space of ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from nemeton.segment.array_dictionary import read_int_arrays
from nemeton.segment.bytereader import ByteReader
from nemeton.segment.dictionary import StringDictionary, read_dictionary
from nemeton.segment.errors import corrupt
from nemeton.segment.fixed_indexed import FixedIndexed
from nemeton.segment.smoosh import SmooshReader


@define(eq=False)
class GlobalDictionary:
    """Null has id 0; strings come first, then longs, doubles, and arrays whose elements are ids again."""

    part: str
    strings: StringDictionary
    longs: FixedIndexed
    doubles: FixedIndexed
    _arrays: Callable[[], list[list[int]]]
    _values: list[Any] | None = field(default=None, init=False)

    @classmethod
    def read(cls, file: Callable[[str], ByteReader], smoosh: SmooshReader, order: str) -> GlobalDictionary:
        """Read the headers of a column's four dictionary files; ``file`` opens one by its suffix."""
        strings = read_dictionary(file("__stringDictionary"), smoosh, order)
        if not strings.has_null:
            raise corrupt(file("__stringDictionary").part, "null is missing")
        longs = FixedIndexed.read(file("__longDictionary"), order, "i8")
        doubles = FixedIndexed.read(file("__doubleDictionary"), order, "f8")
        arrays = file("__arrayDictionary")
        return cls(arrays.part, strings, longs, doubles, lambda: read_int_arrays(file("__arrayDictionary"), order))

    @property
    def num_scalars(self) -> int:
        """How many ids stand for null, strings and numbers; those from here on stand for arrays."""
        return len(self.strings) + len(self.longs) + len(self.doubles)

    def arrays(self) -> list[list[int]]:
        """The arrays, as ids of their elements."""
        return self._arrays()

    def values(self) -> list[Any]:
        """All values by id: None, str, int, float, and lists of these. Shared: do not change them."""
        if self._values is None:
            scalars: list[Any] = [*self.strings.to_list(), *self.longs.to_list(), *self.doubles.to_list()]
            arrays = self._arrays()
            if any(not 0 <= id_ < len(scalars) for ids in arrays for id_ in ids):
                raise corrupt(self.part, "an array holds an id that is no scalar's")
            self._values = scalars + [[scalars[id_] for id_ in ids] for ids in arrays]
        return self._values
