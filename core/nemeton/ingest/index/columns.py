"""Columns of a run: numbers, strings, strings with several values; each can be cut, joined, reordered and stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from nemeton.ingest.index.blob_columns import BlobColumn, join_blobs
from nemeton.ingest.index.dictionaries import EncodedStrings, encode_sorted, has_null, only_used, union
from nemeton.ingest.index.pair_columns import PairColumn, join_pairs
from nemeton.ingest.index.plain_strings import PlainStringColumn
from nemeton.ingest.index.sorting import Ranks, Rows, SortKey, double_ranks, long_ranks
from nemeton.ingest.index.stored import Parts, narrowed
from nemeton.ingest.index.value_columns import DocumentColumn, TypedColumn, join_values
from nemeton.segment.encode import narrowest

_TYPES: dict[str, Any] = {"LONG": np.int64, "FLOAT": np.float32, "DOUBLE": np.float64}


@frozen(eq=False)
class NumberColumn:
    """Numbers; ``nulls`` None means that there are none. Longs that come from disk are of a narrower type until
    `compact`.
    """

    type: str
    values: NDArray[Any]
    nulls: NDArray[np.bool_] | None = None

    @classmethod
    def all_null(cls, type_name: str, count: int) -> NumberColumn:
        """A column without values."""
        return cls(type_name, np.zeros(count, dtype=_TYPES[type_name]), np.ones(count, dtype=bool))

    def cut(self, start: int, stop: int) -> NumberColumn:
        """Rows [start, stop)."""
        return NumberColumn(self.type, self.values[start:stop], None if self.nulls is None else self.nulls[start:stop])

    def take(self, rows: Rows) -> NumberColumn:
        """These rows."""
        return NumberColumn(self.type, self.values[rows], None if self.nulls is None else self.nulls[rows])

    def sort_keys(self) -> Iterable[SortKey]:
        """By number, nulls first."""

        def key(rows: Rows) -> Ranks:
            nulls = None if self.nulls is None else self.nulls[rows]
            return (long_ranks if self.type == "LONG" else double_ranks)(self.values[rows], nulls)

        yield key

    def compact(self) -> NumberColumn:
        """The same, with numbers of the column's own type."""
        values = self.values.astype(_TYPES[self.type], copy=False)
        return self if values is self.values else NumberColumn(self.type, values, self.nulls)

    def parts(self) -> Parts:
        """What to store."""
        values = narrowed(self.values) if self.type == "LONG" else self.values
        return Parts({"values": values} | ({} if self.nulls is None else {"nulls": self.nulls}))

    def of_parts(self, parts: Parts) -> NumberColumn:
        """The column that `parts` came from."""
        return NumberColumn(self.type, parts.arrays["values"], parts.arrays.get("nulls"))

    @staticmethod
    def join(parts: list[NumberColumn]) -> NumberColumn:
        """One after another."""
        if len(parts) == 1:
            return parts[0]
        nulls = None
        if any(part.nulls is not None for part in parts):
            nulls = np.concatenate([np.zeros(len(p.values), bool) if p.nulls is None else p.nulls for p in parts])
        return NumberColumn(parts[0].type, np.concatenate([part.values for part in parts]), nulls)


@frozen(eq=False)
class StringColumn:
    """One string a row."""

    strings: EncodedStrings

    def cut(self, start: int, stop: int) -> StringColumn:
        """Rows [start, stop)."""
        strings = self.strings
        return StringColumn(EncodedStrings(strings.dictionary, strings.codes[start:stop], strings.is_sorted))

    def compact(self) -> StringColumn:
        """A copy with only the values that occur."""
        return StringColumn(only_used(self.strings))

    def take(self, rows: Rows) -> StringColumn:
        """These rows."""
        strings = self.strings
        return StringColumn(EncodedStrings(strings.dictionary, strings.codes[rows], strings.is_sorted))

    def sort_keys(self) -> Iterable[SortKey]:
        """By code: by value, if the dictionary is sorted."""
        yield lambda rows: (self.strings.codes[rows].astype(np.int64), max(len(self.strings.dictionary), 1))

    def parts(self) -> Parts:
        """What to store."""
        codes = self.strings.codes.astype(narrowest(len(self.strings.dictionary)), copy=False)
        return Parts({"codes": codes}, self.strings.dictionary)

    def of_parts(self, parts: Parts) -> StringColumn:
        """The column that `parts` came from, its codes of a narrower type until `compact`."""
        return StringColumn(EncodedStrings(parts.values, parts.arrays["codes"], self.strings.is_sorted))


@frozen(eq=False)
class MultiStringColumn:
    """Any number of strings a row: row i has the codes [offsets[i], offsets[i + 1])."""

    strings: EncodedStrings
    offsets: NDArray[np.int64]

    def cut(self, start: int, stop: int) -> MultiStringColumn:
        """Rows [start, stop)."""
        offsets = self.offsets[start : stop + 1]
        codes = self.strings.codes[offsets[0] : offsets[-1]]
        strings = EncodedStrings(self.strings.dictionary, codes, self.strings.is_sorted)
        return MultiStringColumn(strings, offsets - offsets[0])

    def compact(self) -> MultiStringColumn:
        """A copy with only the values that occur."""
        return MultiStringColumn(only_used(self.strings), self.offsets)

    def take(self, rows: Rows) -> MultiStringColumn:
        """These rows."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        places = np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        strings = self.strings
        return MultiStringColumn(EncodedStrings(strings.dictionary, strings.codes[places], strings.is_sorted), offsets)

    def sort_keys(self) -> Iterable[SortKey]:
        """By the first value, the second, …; a row that has no more values comes first."""
        lengths = np.diff(self.offsets)
        for place in range(int(lengths.max()) if len(lengths) else 0):
            yield self._key(place, lengths)

    def _key(self, place: int, lengths: NDArray[np.int64]) -> SortKey:
        def key(rows: Rows) -> Ranks:
            # A row without values and one whose only value is null are alike, to Druid and so here.
            ranks = np.full(len(rows), int(place == 0 and has_null(self.strings.dictionary)), dtype=np.int64)
            there = lengths[rows] > place
            ranks[there] = self.strings.codes[self.offsets[:-1][rows[there]] + place] + np.int64(1)
            return ranks, len(self.strings.dictionary) + 1

        return key

    def parts(self) -> Parts:
        """What to store."""
        return Parts({"codes": self.strings.codes, "offsets": self.offsets}, self.strings.dictionary)

    def of_parts(self, parts: Parts) -> MultiStringColumn:
        """The column that `parts` came from."""
        strings = EncodedStrings(parts.values, parts.arrays["codes"], self.strings.is_sorted)
        return MultiStringColumn(strings, parts.arrays["offsets"])


MetricColumn = NumberColumn | BlobColumn | PairColumn
SegmentColumn = MetricColumn | StringColumn | MultiStringColumn | TypedColumn | DocumentColumn
RunColumn = SegmentColumn | PlainStringColumn


def join_columns(parts: list[RunColumn]) -> SegmentColumn:
    """One after another; the parts are of one kind, and `compact`."""
    numbers = [part for part in parts if isinstance(part, NumberColumn)]
    if numbers:
        return NumberColumn.join(numbers)
    blobs = [part for part in parts if isinstance(part, BlobColumn)]
    if blobs:
        return join_blobs(blobs)
    pairs = [part for part in parts if isinstance(part, PairColumn)]
    if pairs:
        return join_pairs(pairs)
    values = [part for part in parts if isinstance(part, TypedColumn | DocumentColumn)]
    if values:
        return join_values(values)
    strings = [part for part in parts if isinstance(part, StringColumn | PlainStringColumn | MultiStringColumn)]
    if any(isinstance(part, PlainStringColumn) for part in strings):
        return _join_plain_strings(strings)
    return join_strings([part for part in strings if not isinstance(part, PlainStringColumn)])


def _join_plain_strings(parts: list[StringColumn | PlainStringColumn | MultiStringColumn]) -> SegmentColumn:
    """Of parts some of which are not encoded yet: all are, together, unless there are rows of several values."""
    import pyarrow as pa

    values: list[pa.Array] = []
    for part in parts:
        if isinstance(part, MultiStringColumn):
            return join_strings(
                [StringColumn(encode_sorted(p.values)) if isinstance(p, PlainStringColumn) else p for p in parts]
            )
        values.append(part.values if isinstance(part, PlainStringColumn) else part.strings.values())
    return StringColumn(encode_sorted(pa.concat_arrays(values)))


def join_strings(parts: list[StringColumn | MultiStringColumn]) -> StringColumn | MultiStringColumn:
    """One after another, with a sorted dictionary; single and multi-value parts make a multi-value column."""
    strings = union([part.strings for part in parts])
    if not any(isinstance(part, MultiStringColumn) for part in parts):
        return StringColumn(strings)
    lengths = [
        np.diff(part.offsets) if isinstance(part, MultiStringColumn) else np.ones(len(part.strings.codes), np.int64)
        for part in parts
    ]
    offsets = np.zeros(sum(map(len, lengths)) + 1, dtype=np.int64)
    np.cumsum(np.concatenate(lengths), out=offsets[1:])
    return MultiStringColumn(strings, offsets)


def all_null_strings(count: int) -> StringColumn:
    """A string column without values."""
    import pyarrow as pa

    return StringColumn(EncodedStrings(pa.nulls(1, pa.large_string()), np.zeros(count, dtype=np.int32)))
