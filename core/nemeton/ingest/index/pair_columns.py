"""Columns of a run that hold pairs of a time and a value: metrics of first and last values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from nemeton.ingest.index.sorting import Rows, SortKey
from nemeton.ingest.index.stored import Parts
from nemeton.model import ColumnType
from nemeton.query.vectors import ObjectVector, object_array
from nemeton.segment import PairData
from nemeton.segment.pairs import STRING_PAIRS, VALUE_KINDS

PAIR_TYPES = frozenset(f"COMPLEX<{name}>" for name in (STRING_PAIRS, *VALUE_KINDS))
_NOTHING, _NULL, _VALUE = 0, 1, 2


@frozen(eq=False)
class PairColumn:
    """A time and a value (which may be null) a row, or nothing.

    ``type``: as in ``COMPLEX<serializablePairLongLong>``. ``kinds``: whether a row has no pair, one with null,
    or one with a value. ``values``: an Arrow large_string array, or numbers.
    """

    type: str
    times: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    values: Any

    @classmethod
    def of(cls, type_name: str, pairs: Sequence[tuple[int, Any] | None]) -> PairColumn:
        """Of pairs as a segment gives them."""
        import pyarrow as pa

        kinds = np.array([_NOTHING if p is None else _NULL if p[1] is None else _VALUE for p in pairs], np.uint8)
        times = np.fromiter((0 if pair is None else pair[0] for pair in pairs), np.int64, len(pairs))
        values = [None if pair is None else pair[1] for pair in pairs]
        name = ColumnType.parse(type_name).complex_name or ""
        if name == STRING_PAIRS:
            return cls(type_name, times, kinds, pa.array(values, pa.large_string()))
        with np.errstate(over="ignore"):
            numbers = np.array([0 if value is None else value for value in values], VALUE_KINDS[name])
        return cls(type_name, times, kinds, numbers)

    @classmethod
    def all_null(cls, type_name: str, count: int) -> PairColumn:
        """A column without pairs."""
        return cls.of(type_name, [None] * count)

    def cut(self, start: int, stop: int) -> PairColumn:
        """Rows [start, stop)."""
        return PairColumn(self.type, self.times[start:stop], self.kinds[start:stop], self.values[start:stop])

    def compact(self) -> PairColumn:
        """Itself."""
        return self

    def take(self, rows: Rows) -> PairColumn:
        """These rows."""
        import pyarrow as pa

        values = self.values[rows] if isinstance(self.values, np.ndarray) else self.values.take(pa.array(rows))
        return PairColumn(self.type, self.times[rows], self.kinds[rows], values)

    def sort_keys(self) -> Iterable[SortKey]:
        """None: metrics are not sorted by."""
        return ()

    def parts(self) -> Parts:
        """What to store."""
        arrays: dict[str, NDArray[Any]] = {"times": self.times, "kinds": self.kinds}
        if isinstance(self.values, np.ndarray):
            return Parts({**arrays, "numbers": self.values})
        return Parts(arrays, self.values)

    def of_parts(self, parts: Parts) -> PairColumn:
        """The column that `parts` came from."""
        arrays = parts.arrays
        return PairColumn(self.type, arrays["times"], arrays["kinds"], arrays.get("numbers", parts.values))

    def pairs(self) -> list[tuple[int, Any] | None]:
        """The pairs as a segment gives them."""
        values = self.values.tolist() if isinstance(self.values, np.ndarray) else self.values.to_pylist()
        rows = zip(self.times.tolist(), values, self.kinds.tolist(), strict=True)
        return [None if k == _NOTHING else (time, value if k == _VALUE else None) for time, value, k in rows]

    def vector(self) -> ObjectVector:
        """The pairs as the query engine's vector."""
        return ObjectVector(ColumnType.parse(self.type), object_array(self.pairs()))

    def data(self, name: str) -> PairData:
        """What is written."""
        return PairData(name, ColumnType.parse(self.type).complex_name or "", self.pairs())


def join_pairs(parts: list[PairColumn]) -> PairColumn:
    """One after another."""
    import pyarrow as pa

    values = [part.values for part in parts]
    is_numbers = isinstance(values[0], np.ndarray)
    return PairColumn(
        parts[0].type,
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.kinds for part in parts]),
        np.concatenate(values) if is_numbers else pa.concat_arrays(values),
    )
