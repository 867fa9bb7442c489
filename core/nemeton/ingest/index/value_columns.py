"""Columns of a run that hold values of any type: `auto` and `json` dimensions."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from nemeton.ingest.index.sorting import Ranks, Rows, SortKey
from nemeton.ingest.index.stored import Parts
from nemeton.ingest.index.structured_order import value_ranks
from nemeton.json import smile
from nemeton.segment.typed_values import Arrays, TypedValues, concat, distinct_values, join

if TYPE_CHECKING:
    import pyarrow as pa


@frozen(eq=False)
class TypedColumn:
    """A value a row: a string, a number, or an array of these. Equal values have one id."""

    values: TypedValues

    def __len__(self) -> int:
        return len(self.values)

    def cut(self, start: int, stop: int) -> TypedColumn:
        """Rows [start, stop)."""
        return TypedColumn(self.values.cut(start, stop))

    def compact(self) -> TypedColumn:
        """A copy with only the values that occur."""
        return TypedColumn(join([self.values])[0])

    def take(self, rows: Rows) -> TypedColumn:
        """These rows."""
        return TypedColumn(self.values.take(rows))

    def sort_keys(self) -> Iterable[SortKey]:
        """As Druid orders structured data; then by id, so that only equal values are equal."""
        yield lambda rows: _ranks(self._order(), self.values.ids[rows])
        yield lambda rows: (self.values.ids[rows].astype(np.int64), self.values.starts[4])

    def _order(self) -> NDArray[np.int64]:
        return np.append(0, value_ranks(self.distinct()) + 1)

    def distinct(self) -> list[Any]:
        """The values of all ids but 0, as Python has them."""
        values = self.values
        scalars = [*values.strings.to_pylist(), *values.longs.tolist(), *values.doubles.tolist()]
        by_id = [None, *scalars]
        elements = [by_id[i] for i in values.arrays.elements.tolist()]
        offsets = values.arrays.offsets.tolist()
        return scalars + [elements[a:b] for a, b in pairwise(offsets)]

    def parts(self) -> Parts:
        """What to store."""
        values = self.values
        lists = {"offsets": values.arrays.offsets, "elements": values.arrays.elements}
        return Parts({"ids": values.ids, "longs": values.longs, "doubles": values.doubles, **lists}, values.strings)

    def of_parts(self, parts: Parts) -> TypedColumn:
        """The column that `parts` came from."""
        there = parts.arrays
        arrays = Arrays(there["offsets"], there["elements"])
        return TypedColumn(TypedValues(there["ids"], parts.values, there["longs"], there["doubles"], arrays))

    def as_documents(self) -> DocumentColumn:
        """The same values as documents."""
        import pyarrow as pa

        (values,) = join([self.values])
        blobs = [smile.dumps(value) for value in TypedColumn(values).distinct()]
        return DocumentColumn(pa.array(blobs, pa.large_binary()), values.ids).compact()


@frozen(eq=False)
class DocumentColumn:
    """A document a row. ``documents``: the distinct ones in Smile, an Arrow large_binary array; code 0 is null."""

    documents: pa.Array
    codes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.codes)

    def cut(self, start: int, stop: int) -> DocumentColumn:
        """Rows [start, stop)."""
        return evolve(self, codes=self.codes[start:stop])

    def compact(self) -> DocumentColumn:
        """A copy with only the documents that occur."""
        return join_documents([self])

    def take(self, rows: Rows) -> DocumentColumn:
        """These rows."""
        return evolve(self, codes=self.codes[rows])

    def sort_keys(self) -> Iterable[SortKey]:
        """As Druid orders structured data; then by place, so that only equal documents are equal."""
        yield lambda rows: _ranks(self._order(), self.codes[rows])
        yield lambda rows: (self.codes[rows].astype(np.int64), len(self.documents) + 1)

    def _order(self) -> NDArray[np.int64]:
        return np.append(0, value_ranks([smile.loads(blob) for blob in self.documents.to_pylist()]) + 1)

    def parts(self) -> Parts:
        """What to store."""
        return Parts({"codes": self.codes}, self.documents)

    def of_parts(self, parts: Parts) -> DocumentColumn:
        """The column that `parts` came from."""
        return DocumentColumn(parts.values, parts.arrays["codes"])

    def as_documents(self) -> DocumentColumn:
        """Itself."""
        return self


def _ranks(order: NDArray[np.int64], codes: NDArray[Any]) -> Ranks:
    return order[codes], int(order.max()) + 1


def join_documents(parts: list[DocumentColumn]) -> DocumentColumn:
    """One after another, with one dictionary of the documents that occur."""
    import pyarrow as pa

    used = [np.unique(part.codes[part.codes > 0]) for part in parts]
    chunks = [part.documents.take(pa.array(u - 1)) for part, u in zip(parts, used, strict=True)]
    documents, found = distinct_values(pa.concat_arrays([pa.array([], pa.large_binary()), *chunks]))
    codes, at = [], 0
    for part, places in zip(parts, used, strict=True):
        mapping = np.zeros(len(part.documents) + 1, np.int32)
        mapping[places] = found[at : at + len(places)]
        at += len(places)
        codes.append(mapping[part.codes])
    return DocumentColumn(documents, np.concatenate(codes))


def join_values(parts: list[TypedColumn | DocumentColumn]) -> TypedColumn | DocumentColumn:
    """One after another; where some part has documents, all values become such."""
    typed = [part for part in parts if isinstance(part, TypedColumn)]
    if len(typed) == len(parts):
        return TypedColumn(concat([part.values for part in typed]))
    return join_documents([part.as_documents() for part in parts])
