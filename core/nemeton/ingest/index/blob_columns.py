"""Columns of a run that hold complex values: the metrics of aggregators whose values are no numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from nemeton.ingest.index.sorting import Rows, SortKey
from nemeton.ingest.index.stored import Parts
from nemeton.model import ColumnType
from nemeton.query.vectors import ObjectVector, object_array

if TYPE_CHECKING:
    import pyarrow as pa


@frozen(eq=False)
class BlobColumn:
    """A complex value a row, as its type writes it.

    ``type``: as in ``COMPLEX<thetaSketch>``. ``blobs``: an Arrow large_binary array.
    """

    type: str
    blobs: pa.Array

    @classmethod
    def of(cls, type_name: str, vector: ObjectVector) -> BlobColumn:
        """The column of a vector of bytes."""
        import pyarrow as pa

        return cls(type_name, pa.array(vector.values, pa.large_binary()))

    @classmethod
    def all_null(cls, type_name: str, count: int) -> BlobColumn:
        """A column without values."""
        import pyarrow as pa

        return cls(type_name, pa.nulls(count, pa.large_binary()))

    @property
    def complex_name(self) -> str:
        """The name of the complex type."""
        return ColumnType.parse(self.type).complex_name or ""

    def vector(self) -> ObjectVector:
        """The values as the query engine's vector."""
        return ObjectVector(ColumnType.parse(self.type), object_array(self.blobs.to_pylist()))

    def cut(self, start: int, stop: int) -> BlobColumn:
        """Rows [start, stop)."""
        return evolve(self, blobs=self.blobs.slice(start, stop - start))

    def compact(self) -> BlobColumn:
        """A copy of only these rows."""
        import pyarrow as pa

        return evolve(self, blobs=pa.concat_arrays([self.blobs]))

    def take(self, rows: Rows) -> BlobColumn:
        """These rows."""
        import pyarrow as pa

        return evolve(self, blobs=self.blobs.take(pa.array(rows)))

    def sort_keys(self) -> Iterable[SortKey]:
        """None: metrics are not sorted by."""
        return ()

    def parts(self) -> Parts:
        """What to store."""
        return Parts({}, self.blobs)

    def of_parts(self, parts: Parts) -> BlobColumn:
        """The column that `parts` came from."""
        return evolve(self, blobs=parts.values)


def join_blobs(parts: list[BlobColumn]) -> BlobColumn:
    """One after another."""
    import pyarrow as pa

    return evolve(parts[0], blobs=pa.concat_arrays([part.blobs for part in parts]))
