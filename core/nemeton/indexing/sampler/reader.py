"""Reads some records as an ingestion would, and remembers of each what became of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
from attrs import define, evolve, field
from numpy.typing import NDArray

from nemeton.ingest.compression import open_unpacked
from nemeton.ingest.reader import InputSourceReader, unparseable_time, unparseable_values
from nemeton.ingest.rows import RowBatch
from nemeton.spi.ingest import InputRowSchema, SampledRecord, SampledRecords

if TYPE_CHECKING:
    import polars as pl

#: in each batch the number of each row's record; an aggregator carries it through rollup
ROW_NUMBER = "__sampled_row"
_FEW_ROWS = 1000


@define
class SampledRow:
    """A record and what is wrong with it, if something is; ``kept`` unless the filter dropped it."""

    record: SampledRecord
    origin: str | None
    error: str | None
    kept: bool = True


@define(eq=False)
class SamplingReader(InputSourceReader):
    """Reads up to ``limit`` records that the filter keeps. One thread reads; what it has so far may be taken any time.

    The schema has an aggregator over `ROW_NUMBER`. Rows are not bounded by the schema's intervals.
    """

    limit: int = 0
    max_bytes: int = 1 << 62
    stopped: threading.Event = field(init=False, factory=threading.Event)
    _lock: threading.Lock = field(init=False, factory=threading.Lock)
    _rows_read: list[SampledRow] = field(init=False, factory=list)
    _batches: list[RowBatch] = field(init=False, factory=list)
    _found: dict[int, str] = field(init=False, factory=dict)

    def taken(self) -> tuple[list[SampledRow], list[RowBatch]]:
        """The records read so far, and batches with the rows that could be made of them."""
        with self._lock:
            return list(self._rows_read), list(self._batches)

    def read(self) -> None:
        """Read until there is enough, or the end, or `stopped` is set."""
        kept, size = 0, 0
        for origin, records in self._sampled():
            with self._lock:
                if self.stopped.is_set():
                    return
                rows, batch = self._taken_in(origin, records, self.limit - kept)
                self._rows_read += rows
                kept += sum(row.kept for row in rows)
                if batch is not None and batch.num_rows:
                    self._batches.append(batch)
                    size += batch.estimated_bytes
            if kept >= self.limit or size >= self.max_bytes:
                return

    def _sampled(self) -> Iterator[tuple[str | None, SampledRecords]]:
        schema = InputRowSchema(
            columns=self._row_schema.columns, discover=True, discover_values=self._row_schema.discover_values
        )
        if not self.source.needs_format:
            for frame, _ in self.source.frames(schema, self.problems):
                for part in frame.iter_slices(_FEW_ROWS):
                    yield None, SampledRecords(part, list(map(SampledRecord, part.rows(named=True))))
            return
        assert self.format is not None
        for entity, constants in self.source.described_entities():
            with open_unpacked(entity) as stream:
                for records in self.format.sampled(stream, schema):  # type: ignore[arg-type]
                    frame = self._with_constants(records.frame, constants)
                    yield entity.uri if urlsplit(entity.uri).scheme else None, evolve(records, frame=frame)

    def _taken_in(
        self, origin: str | None, sampled: SampledRecords, room: int
    ) -> tuple[list[SampledRow], RowBatch | None]:
        """At most ``room`` records that are kept, and their rows."""
        first, discovered = len(self._rows_read), dict(self.discovered)
        rows = [SampledRow(record, origin, record.error) for record in sampled.records]
        numbers = np.array([first + i for i, row in enumerate(rows) if row.error is None], dtype=np.int64)
        batch = self._tried(sampled.frame, numbers, rows, first)
        places = [i for i, row in enumerate(rows) if row.kept]
        if len(places) > room:  # rollup must not see the others: once more, with fewer rows
            rows = [evolve(row, error=row.record.error, kept=True) for row in rows[: places[room]]]
            self.discovered.clear()
            self.discovered.update(discovered)
            fewer = int(np.searchsorted(numbers, first + len(rows)))
            batch = self._tried(sampled.frame.head(fewer), numbers[:fewer], rows, first)
        return rows, batch

    def _tried(
        self, frame: pl.DataFrame, numbers: NDArray[np.int64], rows: list[SampledRow], first: int
    ) -> RowBatch | None:
        import polars as pl

        self._found = {}
        if not len(numbers):
            return None
        batch = self._rows(frame.with_columns(pl.Series(ROW_NUMBER, numbers)))
        for number, message in self._found.items():
            rows[number - first].error = message
        made = set(batch.inputs[ROW_NUMBER].to_list())
        for number in numbers.tolist():
            row = rows[number - first]
            row.kept = number in made or row.error is not None
        return batch

    # ---- what is wrong, by record

    def _report_times(self, frame: pl.DataFrame, column: pl.Series | None, bad: NDArray[np.intp]) -> None:
        shown, numbers = frame.drop(ROW_NUMBER), frame[ROW_NUMBER]
        for row in bad.tolist():
            self._found[numbers[row]] = unparseable_time(shown, column, row)[1]

    def _report_mistakes(
        self, frame: pl.DataFrame, rows: NDArray[np.intp], mistakes: list[tuple[str, str, NDArray[np.intp]]]
    ) -> None:
        shown, numbers = frame.drop(ROW_NUMBER), frame[ROW_NUMBER]
        for row in rows.tolist():
            event, messages = unparseable_values(shown, mistakes, row)
            self._found[numbers[row]] = (
                f"Found unparseable columns in row: [{event}], exceptions: [{','.join(messages)}]"
            )
