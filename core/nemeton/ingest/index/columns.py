"""Columns of a run: numbers, strings, strings with several values; each can be cut, joined, reordered and stored."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from nemeton.ingest.index.dictionaries import EncodedStrings, compact
from nemeton.ingest.index.sorting import Ranks, Rows, SortKey, double_ranks, long_ranks

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES: dict[str, Any] = {"LONG": np.int64, "FLOAT": np.float32, "DOUBLE": np.float64}


@frozen(eq=False)
class NumberColumn:
    """Numbers; ``nulls`` None means that there are none."""

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
        return StringColumn(EncodedStrings(self.strings.dictionary, self.strings.codes[start:stop]))

    def take(self, rows: Rows) -> StringColumn:
        """These rows."""
        return StringColumn(EncodedStrings(self.strings.dictionary, self.strings.codes[rows]))

    def sort_keys(self) -> Iterable[SortKey]:
        """By code: by value, if the dictionary is sorted."""
        yield lambda rows: (self.strings.codes[rows].astype(np.int64), max(len(self.strings.dictionary), 1))


@frozen(eq=False)
class MultiStringColumn:
    """Any number of strings a row: row i has the codes [offsets[i], offsets[i + 1])."""

    strings: EncodedStrings
    offsets: NDArray[np.int64]

    def cut(self, start: int, stop: int) -> MultiStringColumn:
        """Rows [start, stop)."""
        offsets = self.offsets[start : stop + 1]
        codes = self.strings.codes[offsets[0] : offsets[-1]]
        return MultiStringColumn(EncodedStrings(self.strings.dictionary, codes), offsets - offsets[0])

    def take(self, rows: Rows) -> MultiStringColumn:
        """These rows."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        places = np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return MultiStringColumn(EncodedStrings(self.strings.dictionary, self.strings.codes[places]), offsets)

    def sort_keys(self) -> Iterable[SortKey]:
        """By the first value, the second, …; a row that has no more values comes first."""
        lengths = np.diff(self.offsets)
        for place in range(int(lengths.max()) if len(lengths) else 0):
            yield self._key(place, lengths)

    def _key(self, place: int, lengths: NDArray[np.int64]) -> SortKey:
        def key(rows: Rows) -> Ranks:
            ranks = np.zeros(len(rows), dtype=np.int64)
            there = lengths[rows] > place
            ranks[there] = self.strings.codes[self.offsets[:-1][rows[there]] + place] + np.int64(1)
            return ranks, len(self.strings.dictionary) + 1

        return key


RunColumn = NumberColumn | StringColumn | MultiStringColumn


def join_strings(parts: list[StringColumn | MultiStringColumn]) -> StringColumn | MultiStringColumn:
    """One after another, with a sorted dictionary; single and multi-value parts make a multi-value column."""
    strings = compact([part.strings for part in parts])
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


def store(column: RunColumn, path: Path) -> None:
    """Write the column to files whose names begin with ``path``."""
    import pyarrow as pa

    def save(part: str, array: NDArray[Any]) -> None:
        np.save(path.with_suffix(f".{part}.npy"), array)

    if isinstance(column, NumberColumn):
        save("values", column.values)
        if column.nulls is not None:
            save("nulls", column.nulls)
        return
    save("codes", column.strings.codes)
    if isinstance(column, MultiStringColumn):
        save("offsets", column.offsets)
    batch = pa.record_batch([column.strings.dictionary], names=["value"])
    with pa.OSFile(str(path.with_suffix(".arrow")), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def restore(path: Path, type_name: str) -> RunColumn:
    """Map what `store` wrote; pages are read as they are used."""
    import pyarrow as pa

    def load(part: str) -> Any:
        return np.load(path.with_suffix(f".{part}.npy"), mmap_mode="r")

    if type_name != "STRING":
        has_nulls = path.with_suffix(".nulls.npy").exists()
        return NumberColumn(type_name, load("values"), load("nulls") if has_nulls else None)
    with pa.memory_map(str(path.with_suffix(".arrow"))) as source:
        dictionary = pa.ipc.open_file(source).get_batch(0).column(0)
    strings = EncodedStrings(dictionary, load("codes"))
    if path.with_suffix(".offsets.npy").exists():
        return MultiStringColumn(strings, load("offsets"))
    return StringColumn(strings)


