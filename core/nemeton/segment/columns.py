"""Columns of an opened segment, as engines see them (the protocols of `nemeton.model.columns`)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

import numpy as np
from attrs import define, frozen

from nemeton.model import ColumnType
from nemeton.segment.bitmaps import BitmapIndex, read_bitmap
from nemeton.segment.cache import DecodedColumnCache
from nemeton.segment.codes import Ints, MultiInts
from nemeton.segment.dictionary import StringDictionary
from nemeton.segment.errors import corrupt, unsupported_column
from nemeton.segment.java_order import java_sort_key
from nemeton.segment.numbers import Numbers

if TYPE_CHECKING:
    import pyarrow as pa
    from pyroaring import BitMap

_CACHE_SHARE = 4  # a column that needs more than this part of the cache is decoded by range and not kept
_FEW = 64


@frozen(eq=False)
class ColumnContext:
    """What every column of a segment shares: its name, the row count, and where decoded parts are kept."""

    name: str
    num_rows: int
    cache: DecodedColumnCache
    owner: object
    ascends: bool = False
    """Whether the segment says that the values do: those of its time, in which intervals are searched."""

    def cached(self, part: str, load: Any) -> Any:
        """Return a decoded part from the cache, `load()` giving it and its size when it is not there."""
        return self.cache.get((self.owner, self.name, part), load)

    def fits(self, size: int) -> bool:
        """Return whether something of this size should be decoded whole and kept."""
        return size * _CACHE_SHARE <= self.cache.max_bytes

    def check_range(self, start: int, stop: int) -> None:
        """Raise IndexError for rows outside the segment: the caller's mistake."""
        if not 0 <= start <= stop <= self.num_rows:
            raise IndexError(f"rows {start} to {stop} of {self.num_rows} in column [{self.name}]")

    def check_rows(self, rows: int, part: str | None = None) -> None:
        """Raise `corrupt`, naming the part (the column itself), unless it has as many rows as the segment."""
        if rows != self.num_rows:
            raise corrupt(part or self.name, f"{rows} rows, but the segment has {self.num_rows}")


class Encoded(Protocol):
    """A form of a column's values that somebody has made."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""


def frozen_array(array: np.ndarray) -> np.ndarray:
    """Return the array, which nobody can write to any more."""
    array.flags.writeable = False
    return array


@define(eq=False)
class StoredColumn:
    """What all columns of a segment share.

    ``is_auto``: whether an `auto` dimension made it; ``is_cast``: whether that was asked to be of the column's type.
    """

    context: ColumnContext

    is_auto = False
    is_cast = False

    @property
    def name(self) -> str:
        """The column's name."""
        return self.context.name

    @property
    def num_rows(self) -> int:
        """The segment's number of rows."""
        return self.context.num_rows


@define(eq=False)
class NumericColumn(StoredColumn):
    """`__time`, long (int64), float (float32) or double (float64) values with an optional null mask."""

    type: ColumnType
    numbers: Numbers
    null_bitmap_data: memoryview | None
    is_concise: bool = False
    is_auto: bool = False
    is_cast: bool = False

    has_multiple_values = False
    is_dictionary_encoded = False

    @property
    def has_nulls(self) -> bool:
        """Whether any row may be null."""
        return self.null_bitmap_data is not None

    def values(self, start: int, stop: int) -> np.ndarray:
        """Return the values of a row range, read-only; 0 where the row is null."""
        self.context.check_range(start, stop)
        size = self.num_rows * self.numbers.dtype.itemsize
        if not self.context.fits(size):
            return self.numbers.read(start, stop)
        values: np.ndarray = self.context.cached("values", self._load_values)
        return values[start:stop]

    def _load_values(self) -> tuple[np.ndarray, int]:
        values = frozen_array(self.numbers.read(0, self.num_rows))
        if self.context.ascends and (values[1:] < values[:-1]).any():
            raise corrupt(f"{self.name}: values", "times do not ascend, as the segment says they do")
        return values, values.nbytes

    def coded(self, encode: Callable[[np.ndarray], Encoded | None]) -> Any:
        """Return what `encode` makes of all values, kept as they are; None where it makes nothing of them.

        It is to be the same function at each call. Columns with nulls, of floats, or too large to be kept have None.
        """
        size = self.num_rows * self.numbers.dtype.itemsize
        if self.null_bitmap_data is not None or self.numbers.dtype.itemsize != 8 or not self.context.fits(size):
            return None

        def load() -> tuple[Any, int]:
            found = encode(self.values(0, self.num_rows))
            return ((), 64) if found is None else (found, found.nbytes)

        return self.context.cached("coded", load) or None

    def bounds(self) -> tuple[int, int] | None:
        """Return the least and greatest value of a long column without nulls; None for all else, and without rows."""
        if self.null_bitmap_data is not None or self.numbers.dtype.kind != "i" or not self.num_rows:
            return None

        def load() -> tuple[tuple[int, int], int]:
            values = self.values(0, self.num_rows)
            return (int(values.min()), int(values.max())), 64

        found: tuple[int, int] = self.context.cached("bounds", load)
        return found

    def nulls(self, start: int, stop: int) -> np.ndarray | None:
        """Return which rows of a range are null, None when no row of the column is."""
        self.context.check_range(start, stop)
        if self.null_bitmap_data is None:
            return None
        return self.context.cached("nulls", self._load_nulls)[start:stop]  # type: ignore[no-any-return]

    def _load_nulls(self) -> tuple[np.ndarray, int]:
        mask = np.zeros(self.num_rows, bool)
        mask[bitmap_rows(self.null_bitmap())] = True
        return frozen_array(mask), mask.nbytes

    def null_bitmap(self) -> BitMap:
        """Return the null rows as a bitmap of the caller's own."""
        data = self.null_bitmap_data if self.null_bitmap_data is not None else memoryview(b"")
        return read_bitmap(data, self.is_concise, self.num_rows, f"{self.name}: null bitmap")


@define(eq=False)
class StringColumn(StoredColumn):
    """Strings as codes into a sorted dictionary, one per row, or any number per row."""

    dictionary: StringDictionary
    code_source: Ints | MultiInts
    bitmaps: BitmapIndex | None
    type: ColumnType
    spatial_dimensions: int = 0
    """Of the R-tree that a spatial dimension of Druid has; it is passed over, filters go by the values."""
    is_auto: bool = False
    is_cast: bool = False

    is_dictionary_encoded = True

    @property
    def has_nulls(self) -> bool:
        """Whether null is in the dictionary (as code 0)."""
        return self.dictionary.has_null

    @property
    def has_multiple_values(self) -> bool:
        """Whether rows hold lists of codes; then `offsets_codes` is the method to call, else `codes`."""
        return isinstance(self.code_source, MultiInts)

    @property
    def cardinality(self) -> int:
        """How many values the dictionary has, null included."""
        return len(self.dictionary)

    @property
    def has_bitmap_index(self) -> bool:
        """Whether `bitmap` is cheap; without an index it scans the codes."""
        return self.bitmaps is not None

    def codes(self, start: int, stop: int) -> np.ndarray:
        """Return the codes of a row range of a single-value column, read-only uint8, uint16 or uint32."""
        self.context.check_range(start, stop)
        if isinstance(self.code_source, MultiInts):
            raise TypeError(f"column [{self.name}] has multiple values per row")
        return self._read_codes(self.code_source, start, stop)

    def occurring(self) -> np.ndarray:
        """Return the codes, ascending, that rows of a single-value column have; mostly all. Looked for once."""

        def load() -> tuple[np.ndarray, int]:
            found = np.zeros(self.cardinality, bool)
            found[self.codes(0, self.num_rows)] = True
            codes = frozen_array(np.flatnonzero(found))
            return codes, codes.nbytes

        return self.context.cached("occurring", load)  # type: ignore[no-any-return]

    def offsets_codes(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a row range of a multi-value column: offsets (one more than rows, from 0, int32) and flat codes.

        A row without codes is null, as is a row that holds only the code of null.
        """
        self.context.check_range(start, stop)
        source = self.code_source
        if not isinstance(source, MultiInts):
            raise TypeError(f"column [{self.name}] has a single value per row")
        offsets = self.context.cached("offsets", lambda: self._load_offsets(source))[start : stop + 1]
        codes = self._read_codes(source.values, int(offsets[0]), int(offsets[-1]))
        return offsets - offsets[0], codes

    def _load_offsets(self, source: MultiInts) -> tuple[np.ndarray, int]:
        offsets = source.read_offsets()
        return frozen_array(offsets), offsets.nbytes

    def _read_codes(self, source: Ints, start: int, stop: int) -> np.ndarray:
        size = source.total * source.item_bytes
        if not self.context.fits(size):
            return self._checked(source.read(start, stop))
        codes: np.ndarray = self.context.cached("codes", lambda: self._load_codes(source))
        return codes[start:stop]

    def _load_codes(self, source: Ints) -> tuple[np.ndarray, int]:
        codes = frozen_array(self._checked(source.read(0, source.total)))
        return codes, codes.nbytes

    def _checked(self, codes: np.ndarray) -> np.ndarray:
        """Engines index by code without looking: a code outside the dictionary must not get that far."""
        if len(codes) and int(codes.max()) >= self.cardinality:
            raise corrupt(f"{self.name}: codes", f"code {codes.max()} in a dictionary of {self.cardinality}")
        return codes

    def lookup(self, code: int) -> str | None:
        """Return the value of a code; IndexError outside the dictionary."""
        return self.dictionary.get(code)

    def lookup_many(self, codes: np.ndarray) -> np.ndarray:
        """Return the values of many codes as an object array of str and None."""
        codes = np.asarray(codes)
        if len(codes) <= _FEW or len(codes) * _FEW < self.cardinality:
            out = np.empty(len(codes), object)
            out[:] = [self.dictionary.get(int(c)) for c in codes]
            return out
        values = self.values_list()
        out = np.empty(len(codes), object)
        out[:] = [values[code] for code in codes.tolist()]
        return out

    def index_of(self, value: str | None) -> int:
        """Return the code of a value; when it is absent -(insertion point + 1)."""
        return self.dictionary.index_of(value)

    def dictionary_digest(self) -> bytes:
        """Return a digest that columns share only when their dictionaries hold the same values."""
        return self.context.cached("digest", lambda: (self.dictionary.digest(), 64))  # type: ignore[no-any-return]

    def values_list(self) -> list[str | None]:
        """Return the whole dictionary. The list is shared: do not change it."""
        return self.context.cached("values_list", self._load_values)  # type: ignore[no-any-return]

    def values_array(self) -> np.ndarray:
        """Return the whole dictionary as an array of objects. It is shared: do not change it."""

        def load() -> tuple[np.ndarray, int]:
            values = self.values_list()
            array = np.empty(len(values), dtype=object)
            array[:] = values
            return array, array.nbytes

        return self.context.cached("values_array", load)  # type: ignore[no-any-return]

    def _load_values(self) -> tuple[list[str | None], int]:
        values = self.dictionary.to_list()
        check_sorted(values, f"{self.name}: dictionary")
        return values, sum(map(len, filter(None, values))) + 60 * len(values)

    def dictionary_array(self) -> pa.LargeStringArray:
        """Return the whole dictionary as an Arrow array, for what is done to all values at once."""

        def load() -> tuple[pa.LargeStringArray, int]:
            array = self.dictionary.to_arrow()
            return array, array.nbytes

        return self.context.cached("dictionary", load)

    def bitmap(self, code: int) -> BitMap:
        """Return the rows that hold a code, as a bitmap of the caller's own.

        For code 0 of a nullable multi-value column that includes rows without any value.
        """
        if not 0 <= code < self.cardinality:
            raise IndexError(code)
        if self.bitmaps is not None:
            return self.bitmaps.get(code)
        return self._scan_bitmap(code)

    def _scan_bitmap(self, code: int) -> BitMap:
        from pyroaring import BitMap

        if not self.has_multiple_values:
            return BitMap(np.flatnonzero(self.codes(0, self.num_rows) == code).astype(np.uint32))
        offsets, codes = self.offsets_codes(0, self.num_rows)
        rows = np.searchsorted(offsets, np.flatnonzero(codes == code), side="right") - 1
        if code == 0 and self.has_nulls:
            rows = np.concatenate([rows, np.flatnonzero(np.diff(offsets) == 0)])
        return BitMap(np.unique(rows).astype(np.uint32))


@define(eq=False)
class UnsupportedColumn(StoredColumn):
    """A column of a kind that cannot be read yet: its type is known, touching its values is an error."""

    type: ColumnType

    has_nulls = True
    has_multiple_values = False
    is_dictionary_encoded = False

    def values(self, start: int, stop: int) -> NoReturn:
        """Raise the error that names the column and its type."""
        raise unsupported_column(self.name, str(self.type))

    nulls = codes = offsets_codes = values


Column = NumericColumn | StringColumn | UnsupportedColumn


def bitmap_rows(bitmap: BitMap) -> np.ndarray:
    """Return a bitmap's rows as an index array."""
    return np.frombuffer(bitmap.to_array(), np.uint32).astype(np.intp) if bitmap else np.zeros(0, np.intp)


def check_sorted(values: list[str | None], part: str) -> None:
    """Raise `corrupt` unless distinct strings ascend, null first: searches and engines rely on it."""
    rest = values[1:] if values and values[0] is None else values
    if None in rest:
        raise corrupt(part, "null is not the first value")
    found = cast("list[str]", rest)
    if all(map(operator.lt, found, found[1:])):  # Python's order differs from Java's beyond U+FFFF alone
        return
    # Java writes half of a pair of surrogates as "?", where its place was: those values are left out
    keys = [java_sort_key(value) for value in found if "?" not in value]
    if not all(map(operator.lt, keys, keys[1:])):
        raise corrupt(part, "the values do not ascend")
