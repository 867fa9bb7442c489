"""Columns of a run on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

    from nemeton.ingest.index.columns import RunColumn


@frozen(eq=False)
class Parts:
    """What a column consists of: numpy arrays by name, and values of any length in one Arrow array."""

    arrays: Mapping[str, NDArray[Any]]
    values: pa.Array | None = None


@frozen(eq=False)
class StoredColumn:
    """A column on disk; `load` maps it, and pages are read as they are used."""

    path: Path
    empty: RunColumn  # the column without rows, which knows how it is put together
    parts: Mapping[str, tuple[Any, int]] = field(factory=dict)
    has_values: bool = False

    @classmethod
    def write(cls, column: RunColumn, path: Path) -> StoredColumn:
        """Write the column to files whose names begin with ``path``."""
        import pyarrow as pa

        parts = column.parts()
        for name, array in parts.arrays.items():
            write_array(path.with_suffix(f".{name}"), array)
        if parts.values is not None:
            batch = pa.record_batch([parts.values], names=["value"])
            with path.with_suffix(".arrow").open("wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
                writer.write_batch(batch)
        described = {name: (array.dtype, len(array)) for name, array in parts.arrays.items()}
        empty = column.take(np.empty(0, dtype=np.int64)).compact()  # a slice would hold on to all of the column
        return cls(path, empty, described, parts.values is not None)

    def load(self) -> RunColumn:
        """The column, mapped into memory rather than read."""
        import pyarrow as pa

        values = None
        if self.has_values:
            with pa.memory_map(str(self.path.with_suffix(".arrow"))) as source:
                values = pa.ipc.open_file(source).get_batch(0).column(0)
        arrays = {name: self._map(name) for name in self.parts}
        column: RunColumn = self.empty.of_parts(Parts(arrays, values))
        return column

    def _map(self, part: str) -> NDArray[Any]:
        dtype, count = self.parts[part]
        return map_array(self.path.with_suffix(f".{part}"), dtype, count)


def narrowed(values: NDArray[np.int64]) -> NDArray[Any]:
    """The same numbers in the narrowest signed type that holds them."""
    if not len(values):
        return values
    low, high = int(values.min()), int(values.max())
    kinds = (np.int8, np.int16, np.int32)
    kind = next((k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max), np.int64)
    return values.astype(kind, copy=False)


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write plain bytes. (``ndarray.tofile`` would hide the reason of a failure.)"""
    with path.open("wb") as file:
        file.write(np.ascontiguousarray(array).view(np.uint8).data if len(array) else b"")


def map_array(path: Path, dtype: Any, count: int) -> NDArray[Any]:
    """Map what `write_array` wrote."""
    return np.memmap(path, dtype=dtype, mode="r", shape=(count,)) if count else np.empty(0, dtype=dtype)
