"""The kinds of vectors: numbers, dictionary-encoded strings (single and multi-value), and other objects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from attrs import define, field

from nemeton.model import ColumnType
from nemeton.query.distinct import distinct_strings

Array = np.ndarray[Any, Any]

DTYPES: dict[str, Any] = {"LONG": np.int64, "FLOAT": np.float32, "DOUBLE": np.float64}
COLUMN_TYPES: dict[str, ColumnType] = {
    "LONG": ColumnType.LONG,
    "FLOAT": ColumnType.FLOAT,
    "DOUBLE": ColumnType.DOUBLE,
    "STRING": ColumnType.STRING,
}


_NONE: Any = None


def is_none(values: Array) -> Array:
    """Where an object array holds None."""
    found: Array = np.equal(values, _NONE).astype(bool)
    return found


class Dictionary:
    """The distinct values that codes stand for. Immutable; values are str, or None for null.

    `is_sorted` means null first, then ascending in Java's order (UTF-16 code units).
    """

    __slots__ = ("_digest", "_load", "_values", "find", "is_sorted", "size")

    def __init__(
        self,
        values: Sequence[str | None] | Callable[[], Sequence[str | None] | Array],
        size: int,
        is_sorted: bool = False,
        find: Callable[[str | None], int] | None = None,
        digest: Callable[[], bytes] | None = None,
    ) -> None:
        """`values` may be a function that is called at the first need of all values.

        `find` gives the code of a value, or `-(insertion point + 1)`, without reading them all; sorted ones only.
        `digest` gives what only dictionaries of the same values have in common.
        """
        self.find = find
        self._digest = digest
        self._load = values if callable(values) else None
        self._values: Array | None = None if callable(values) else np.array(values, dtype=object)
        self.size = size
        self.is_sorted = is_sorted

    @property
    def values(self) -> Array:
        """All values by code, as an object array."""
        if self._values is None:
            assert self._load is not None
            loaded = self._load()
            if not isinstance(loaded, np.ndarray):
                self._values = np.empty(len(loaded), dtype=object)
                self._values[:] = loaded
            else:
                self._values = loaded
        return self._values

    def is_same(self, other: Dictionary) -> bool:
        """Whether it is known without reading the values that the codes of both stand for the same."""
        if self is other:
            return True
        if self._digest is None or other._digest is None or self.size != other.size:
            return False
        return self._digest() == other._digest()

    def lookup(self, codes: Array) -> Array:
        """The values of these codes."""
        return self.values[codes]

    def null_code(self) -> int:
        """The code of null, or -1 when there is none."""
        if self.is_sorted:
            return 0 if self.size and self.values[0] is None else -1
        found = np.flatnonzero(is_none(self.values))
        return int(found[0]) if len(found) else -1

    def with_null(self) -> tuple[Dictionary, int]:
        """A dictionary with these codes and one for null, and that code; itself if it has one."""
        code = self.null_code()
        return (self, code) if code >= 0 else (Dictionary([*self.values, None], self.size + 1), self.size)


def object_array(values: Iterable[Any]) -> Array:
    """A one-dimensional object array, also when the values are lists or tuples."""
    items = values if isinstance(values, (list, tuple, np.ndarray)) else list(values)
    out = np.empty(len(items), dtype=object)
    out[:] = items if not any(isinstance(x, (list, tuple)) for x in items[:64]) else None
    if len(items) and any(isinstance(x, (list, tuple)) for x in items):
        for i, item in enumerate(items):
            out[i] = item
    return out


_MANY_VALUES = 20_000  # from here on it pays to leave Python
NULL_DICTIONARY = Dictionary([None], 1, is_sorted=True)


@define(slots=True)
class NumericVector:
    """Numbers; under a null the value means nothing."""

    type: ColumnType
    values: Array
    nulls: Array | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Array) -> NumericVector:
        """The values at these positions."""
        return NumericVector(self.type, self.values[rows], None if self.nulls is None else self.nulls[rows])

    def to_list(self) -> list[Any]:
        """JSON-able values."""
        out: list[Any]
        if self.values.dtype == np.float32:
            out = [float(text) for text in self.values.astype(str)]
        else:
            out = self.values.tolist()
        if self.nulls is not None:
            for i in np.flatnonzero(self.nulls).tolist():
                out[i] = None
        return out


def value_type(vector: AnyVector) -> type | None:
    """The one type that all values of the vector's list have but nulls; None where they may have several."""
    if type(vector) is NumericVector:
        return {"i": int, "f": float}.get(vector.values.dtype.kind)
    return str if type(vector) is StringVector else None


@define(slots=True)
class ListedNumericVector(NumericVector):
    """Numbers of an expression that is mapped over rows with several values: null but where a row has one.

    As objects they are shown with all their values. `by_value` are offsets by row and the values that lie between them,
    where filters look at each value: Druid has an index of a single column that is mapped as a column of numbers.
    """

    lists: Array = field(kw_only=True)
    by_value: tuple[Array, NumericVector] | None = field(kw_only=True, default=None)

    def take(self, rows: Array) -> ListedNumericVector:
        """The values at these positions."""
        plain = NumericVector.take(self, rows)
        by_value = None
        if self.by_value is not None:
            offsets, values = self.by_value
            places = MultiStringVector(offsets, np.arange(len(values)), NULL_DICTIONARY).take(rows)
            by_value = places.offsets, values.take(places.codes)
        return ListedNumericVector(plain.type, plain.values, plain.nulls, lists=self.lists[rows], by_value=by_value)

    def to_list(self) -> list[Any]:
        """All values of each row, as lists."""
        return list(self.lists.tolist())


@define(slots=True)
class StringVector:
    """One string (or null) a row, as codes into a dictionary."""

    codes: Array
    dictionary: Dictionary

    @property
    def type(self) -> ColumnType:
        """STRING."""
        return ColumnType.STRING

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Array) -> StringVector:
        """The values at these positions."""
        return StringVector(self.codes[rows], self.dictionary)

    def values(self) -> Array:
        """The strings as an object array."""
        return self.dictionary.lookup(self.codes)

    def to_list(self) -> list[Any]:
        """The strings."""
        return list(self.values().tolist())


@define(slots=True)
class MultiStringVector:
    """Any number of strings a row: those of row i are `codes[offsets[i]:offsets[i + 1]]`. No string counts as null."""

    offsets: Array
    codes: Array
    dictionary: Dictionary

    @property
    def type(self) -> ColumnType:
        """STRING."""
        return ColumnType.STRING

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Array:
        """The number of values of each row."""
        return np.diff(self.offsets)

    def take(self, rows: Array) -> MultiStringVector:
        """The values at these positions."""
        lengths = self.lengths[rows]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        starts = np.asarray(self.offsets)[:-1][rows]
        flat = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return MultiStringVector(offsets, self.codes[flat], self.dictionary)

    def explode(self) -> tuple[Array, StringVector]:
        """The row of each value, and the values one by one; a row without values gives one null."""
        lengths = self.lengths
        counts = np.maximum(lengths, 1)
        rows = np.repeat(np.arange(len(lengths)), counts)
        if (lengths > 0).all():
            return rows, StringVector(self.codes, self.dictionary)
        dictionary, null = self.dictionary.with_null()
        codes = np.full(len(rows), null, dtype=np.int64)
        codes[np.repeat(lengths > 0, counts)] = self.codes
        return rows, StringVector(codes, dictionary)

    def to_list(self) -> list[Any]:
        """None for no value, a string for one, else a list of strings."""
        values = self.dictionary.lookup(self.codes).tolist()
        offsets = self.offsets.tolist()
        out: list[Any] = []
        for start, end in itertools.pairwise(offsets):
            out.append(None if start == end else values[start] if end == start + 1 else values[start:end])
        return out


@define(slots=True)
class MappedStringVector(MultiStringVector):
    """The strings of an expression that is mapped over a column: none where that has none, but there is one to show."""

    shown: MultiStringVector = field(kw_only=True)

    def take(self, rows: Array) -> MappedStringVector:
        """The values at these positions."""
        plain = MultiStringVector.take(self, rows)
        return MappedStringVector(plain.offsets, plain.codes, plain.dictionary, shown=self.shown.take(rows))

    def to_list(self) -> list[Any]:
        """As of what is shown."""
        return self.shown.to_list()


@define(slots=True)
class ObjectVector:
    """Values of any other type (arrays, complex values) as Python objects; None is null.

    `text` makes texts of unfinished aggregates (`AggregatorFactory.text`); other complex values have none.
    """

    type: ColumnType
    values: Array
    text: Callable[[Any], str | None] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Array) -> ObjectVector:
        """The values at these positions."""
        return ObjectVector(self.type, self.values[rows], self.text)

    def to_list(self) -> list[Any]:
        """The objects as they are; numpy scalars and arrays as plain Python."""
        return [value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value for value in self.values]


def any_of_rows(flags: Array, offsets: Array) -> Array:
    """For each row, whose flags are those from its offset to the next, whether one is set."""
    totals = np.append(np.zeros(1, dtype=np.int64), np.cumsum(flags, dtype=np.int64))
    found: Array = totals[offsets[1:]] > totals[offsets[:-1]]
    return found


AnyVector = NumericVector | StringVector | MultiStringVector | ObjectVector


def null_vector(num_rows: int) -> StringVector:
    """A column of nulls."""
    return StringVector(np.zeros(num_rows, dtype=np.uint8), NULL_DICTIONARY)


def is_missing(vector: object) -> bool:
    """Whether it stands for a column that is not there."""
    return isinstance(vector, StringVector) and vector.dictionary is NULL_DICTIONARY


def strings_vector(values: Sequence[str | None] | Array) -> StringVector:
    """Encode strings; the dictionary comes in order of first appearance."""
    codes, distinct = encode_strings(values)
    return StringVector(codes, Dictionary(distinct, len(distinct)))


def encode_strings(values: Iterable[str | None]) -> tuple[Array, list[str | None]]:
    """Codes and the distinct values, in order of first appearance."""
    seen: dict[str | None, int] = {}
    codes = np.fromiter((seen.setdefault(value, len(seen)) for value in values), dtype=np.int64)
    return codes, list(seen)


def numeric_from_list(type_name: str, values: Sequence[Any]) -> NumericVector:
    """Numbers and None as a vector; the strings "NaN", "Infinity" and "-Infinity" are understood."""
    nulls = np.fromiter((value is None for value in values), dtype=bool, count=len(values))
    plain = [0 if value is None else float(value) if isinstance(value, str) else value for value in values]
    array = np.array(plain, dtype=DTYPES[type_name])
    return NumericVector(COLUMN_TYPES[type_name], array, nulls if nulls.any() else None)


def vector_from_list(type_name: str, values: Sequence[Any]) -> AnyVector:
    """JSON values of a column of that type as a vector."""
    if type_name in DTYPES:
        return numeric_from_list(type_name, values)
    if type_name == "STRING":
        if any(isinstance(value, list) for value in values):
            return multi_vector(values)
        return strings_vector([value if value is None or isinstance(value, str) else str(value) for value in values])
    return ObjectVector(ColumnType.parse(type_name), object_array(values))


def multi_vector(values: Sequence[Any]) -> MultiStringVector:
    """Lists of strings, single strings and None as a multi-value vector."""
    rows = [value if isinstance(value, list) else [] if value is None else [value] for value in values]
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    codes, distinct = encode_strings(item for row in rows for item in row)
    return MultiStringVector(offsets, codes, Dictionary(distinct, len(distinct)))


def concat_vectors(vectors: Sequence[AnyVector]) -> AnyVector:
    """The vectors one after another; all of one kind. Strings get one common dictionary."""
    first = vectors[0]
    if len(vectors) == 1:
        return first
    if isinstance(first, NumericVector):
        numeric = [vector for vector in vectors if isinstance(vector, NumericVector)]
        nulls = None
        if any(vector.nulls is not None for vector in numeric):
            nulls = np.concatenate([null_mask(vector) for vector in numeric])
        return NumericVector(first.type, np.concatenate([vector.values for vector in numeric]), nulls)
    if isinstance(first, StringVector):
        dictionary, remaps = merge_dictionaries([v.dictionary for v in vectors])  # type: ignore[union-attr]
        codes = [remap[v.codes] for remap, v in zip(remaps, vectors, strict=True)]  # type: ignore[union-attr]
        return StringVector(np.concatenate(codes), dictionary)
    return ObjectVector(first.type, np.concatenate([object_array(v.to_list()) for v in vectors]))


def merge_dictionaries(dictionaries: Sequence[Dictionary]) -> tuple[Dictionary, list[Array]]:
    """One dictionary of all values, and for each of the given ones the array old code → new code."""
    if all(d.is_same(dictionaries[0]) for d in dictionaries):
        same = np.arange(dictionaries[0].size, dtype=np.int64)
        return dictionaries[0], [same] * len(dictionaries)
    if sum(dictionary.size for dictionary in dictionaries) >= _MANY_VALUES:
        found = distinct_strings([dictionary.values for dictionary in dictionaries])
        if found is not None:
            values, places = found
            return Dictionary(values.to_pylist, len(values)), places
    seen: dict[str | None, int] = {}
    remaps: list[Array] = []
    for dictionary in dictionaries:
        values = dictionary.values.tolist()
        fresh = dict.fromkeys(itertools.filterfalse(seen.__contains__, values))
        seen.update(zip(fresh, range(len(seen), len(seen) + len(fresh)), strict=True))
        if len(seen) == len(values) and not remaps:
            remaps.append(np.arange(len(values), dtype=np.int64))
        else:
            remaps.append(np.fromiter(map(seen.__getitem__, values), dtype=np.int64, count=len(values)))
    return Dictionary(list(seen), len(seen)), remaps


def used_codes(vector: StringVector) -> tuple[Array, Array]:
    """The codes that occur, in order, and where each row's stands among them."""
    if vector.dictionary.size > 4 * len(vector) + 1024:
        return np.unique(vector.codes, return_inverse=True)
    occurs = np.zeros(vector.dictionary.size, dtype=bool)
    occurs[vector.codes] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[vector.codes]


def null_mask(vector: AnyVector) -> Array:
    """A bool per row: whether it is null."""
    if isinstance(vector, NumericVector):
        return np.zeros(len(vector), dtype=bool) if vector.nulls is None else vector.nulls
    if isinstance(vector, StringVector):
        code = vector.dictionary.null_code()
        return np.asarray(vector.codes == code) if code >= 0 else np.zeros(len(vector), dtype=bool)
    if isinstance(vector, MultiStringVector):
        return np.asarray(vector.lengths == 0)
    return is_none(vector.values)


def java_key(value: str | None) -> tuple[int, bytes]:
    """A sort key in Java's order of strings: null first, then by UTF-16 code units."""
    return (0, b"") if value is None else (1, value.encode("utf-16-be", "surrogatepass"))


def sort_ranks(dictionary: Dictionary) -> Array:
    """For each code its place in Java's order of the values."""
    if dictionary.is_sorted:
        return np.arange(dictionary.size, dtype=np.int64)
    import pyarrow as pa

    from nemeton.segment.string_order import distinct_in_order

    null, values = dictionary.null_code(), dictionary.values
    present: list[str] = (values if null < 0 else np.delete(values, null)).tolist()
    try:
        found = distinct_in_order(pa.array(present, pa.large_string()))[1].astype(np.int64)
    except UnicodeEncodeError:  # halves of surrogate pairs
        found = np.argsort(sorted(range(len(present)), key=lambda place: java_key(present[place])))
    return found if null < 0 else np.insert(found + 1, null, 0)
