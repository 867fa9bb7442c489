"""From an input source to batches of rows: parse, transform, filter, convert; and count what happens to each record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from nemeton.ingest.coerce import plain_numbers, to_metric, to_numbers, to_strings
from nemeton.ingest.compression import open_unpacked
from nemeton.ingest.documents import decode_document, flat_values, is_documents
from nemeton.ingest.meters import ParseExceptionHandler, RowMeters
from nemeton.ingest.rollup import numeric_inputs, raw_inputs
from nemeton.ingest.rows import RowBatch
from nemeton.ingest.schema import DataSchema, TimestampSpec
from nemeton.ingest.timestamps import parse_times
from nemeton.ingest.transforms import Transformer
from nemeton.ingest.values import column_of, printed
from nemeton.spi.ingest import InputFormat, InputRowSchema, InputSource

if TYPE_CHECKING:
    import polars as pl

_EVENT_LENGTH = 100


@define
class InputSourceReader:
    """Reads a whole input source, once, batch by batch. ``check`` is called between batches and may raise.

    ``format`` is None for a source that needs none.
    """

    schema: DataSchema
    source: InputSource
    format: InputFormat | None
    meters: RowMeters
    problems: ParseExceptionHandler
    check: Callable[[], None] = lambda: None
    _types: dict[str, str] = field(init=False)
    _row_schema: InputRowSchema = field(init=False)
    _transformer: Transformer = field(init=False)
    _excluded: frozenset[str] = field(init=False)
    _found_type: str = field(init=False)
    _numeric_inputs: dict[str, str] = field(init=False)
    _raw_inputs: frozenset[str] = field(init=False)
    #: dimensions found in the input, in the order in which they were first seen
    discovered: dict[str, None] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        schema = self.schema
        self._types = {d.name: d.column_type for d in schema.dimensions_spec.dimensions}
        self._excluded = schema.excluded | {schema.time_column}
        self._numeric_inputs = numeric_inputs(schema.metrics_spec)
        self._raw_inputs = raw_inputs(schema.metrics_spec)
        self._transformer = Transformer(schema.transform_spec)
        spec = schema.dimensions_spec
        self._found_type = "AUTO" if spec.use_schema_discovery else "STRING"
        self._row_schema = InputRowSchema(
            columns=self._targets(),
            discover=spec.discovers,
            exclusions=frozenset(self._excluded),
            discover_values=spec.use_schema_discovery,
        )

    def _targets(self) -> dict[str, str]:
        """What each column of the input is wanted as; where it is wanted as several things, as the value itself."""
        uses: dict[str, set[str]] = {self.schema.time_column: {"ANY"}}
        for name in self._input_names():
            uses.setdefault(name, set()).add(self._numeric_inputs.get(name, "VALUE"))
        for name, kind in self._types.items():
            uses.setdefault(name, set()).add("VALUE" if kind == "AUTO" else kind)
        for name in self._transformer.required_columns:
            uses.setdefault(name, set()).add("VALUE")
        return {name: _common_target(kinds) for name, kinds in uses.items()}

    def _input_names(self) -> list[str]:
        return sorted({name for aggregator in self.schema.metrics_spec for name in aggregator.required_columns()})

    def batches(self) -> Iterator[RowBatch]:
        """All batches that hold rows."""
        for frame in self._formatted() if self.source.needs_format else self._own():
            self.check()
            batch = self._rows(frame)
            if batch.num_rows:
                yield batch

    def _formatted(self) -> Iterator[pl.DataFrame]:
        assert self.format is not None
        for entity, constants in self.source.described_entities():
            read_before = self.meters.processed_bytes
            with open_unpacked(entity) as stream:
                for frame in self.format.batches(stream, self._row_schema, self.problems):  # type: ignore[arg-type]
                    self.meters.processed_bytes = read_before + stream.bytes_read
                    yield self._with_constants(frame, constants)
                self.meters.processed_bytes = read_before + stream.bytes_read

    def _with_constants(self, frame: pl.DataFrame, constants: Mapping[str, str | None]) -> pl.DataFrame:
        """With the system fields that something asks for by name."""
        import polars as pl

        used = {name: value for name, value in constants.items() if name in self._row_schema.columns}
        if not frame.height:
            return frame
        return frame.with_columns(pl.lit(value, dtype=pl.String).alias(name) for name, value in used.items())

    def _own(self) -> Iterator[pl.DataFrame]:
        """Of a source that needs no format."""
        for frame, bytes_read in self.source.frames(self._row_schema, self.problems):
            self.meters.processed_bytes = bytes_read
            yield frame

    def _rows(self, frame: pl.DataFrame) -> RowBatch:
        frame, times = self._with_times(frame)
        self._discover(frame)
        frame, times = self._transformed(frame, times)
        inside = self.schema.granularity_spec.inside(times)
        if inside is not None:
            self.meters.thrown_away += int((~inside).sum())
            frame, times = frame.filter(inside), times[inside]
        return self._converted(frame, times)

    def _with_times(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.int64]]:
        spec = self.schema.timestamp_spec or TimestampSpec()
        column = frame[spec.column] if spec.column in frame.columns else None
        parsed = parse_times(column, frame.height, spec)
        if parsed.bad is None:
            return frame, parsed.times
        self._report_times(frame, column, np.flatnonzero(parsed.bad))
        return frame.filter(~parsed.bad), parsed.times[~parsed.bad]

    def _report_times(self, frame: pl.DataFrame, column: pl.Series | None, bad: NDArray[np.intp]) -> None:
        """Take note of rows that have no time."""
        wanted = self.problems.wanted_samples
        samples = [unparseable_time(frame, column, row) for row in (bad[-wanted:].tolist() if wanted else ())]
        self.problems.unparseable_many(len(bad), samples)

    def _transformed(self, frame: pl.DataFrame, times: NDArray[np.int64]) -> tuple[pl.DataFrame, NDArray[np.int64]]:
        if self._transformer.is_empty or not frame.height:
            return frame, times
        done = self._transformer.transform(frame, times)
        if done.bad_times is not None:
            self._report_new_times(frame, np.flatnonzero(done.bad_times))
        frame, times = done.frame, done.times
        if done.bad_times is not None:
            frame, times = frame.filter(~done.bad_times), times[~done.bad_times]
        keep = self._transformer.kept(frame, times)
        if keep is not None:
            self.meters.thrown_away += int((~keep).sum())
            frame, times = frame.filter(keep), times[keep]
        return frame, times

    def _report_new_times(self, frame: pl.DataFrame, bad: NDArray[np.intp]) -> None:
        """Take note of rows whose time was to be computed and could not be."""
        wanted = self.problems.wanted_samples
        samples = [unparseable_new_time(frame, row) for row in (bad[-wanted:].tolist() if wanted else ())]
        self.problems.unparseable_many(len(bad), samples)

    def _converted(self, frame: pl.DataFrame, times: NDArray[np.int64]) -> RowBatch:
        batch = RowBatch(times)
        mistakes: list[tuple[str, str, NDArray[np.intp]]] = []
        plain = plain_numbers(frame, self._types)
        for name in [*self._types, *self.discovered]:
            if name not in frame.columns:
                continue
            kind = self._types.get(name, self._found_type)
            if kind == "STRING":
                batch.strings[name] = self._strings(frame[name])
            elif kind == "AUTO":
                batch.values[name] = frame[name]
            else:
                numbers = batch.numbers[name] = to_numbers(frame[name], kind, plain.get(name))
                if numbers.bad is not None:
                    mistakes.append((name, kind, numbers.bad))
        mistakes += self._read_inputs(batch, frame)
        self._count(frame, mistakes)
        return batch

    def _strings(self, column: pl.Series) -> pl.Series:
        """A string dimension. One that was found holds nothing of what finding passes over."""
        if column.name in self.discovered and is_documents(column):
            return column_of(column.name, flat_values(column), "STRING")
        return to_strings(column)

    def _read_inputs(self, batch: RowBatch, frame: pl.DataFrame) -> list[tuple[str, str, NDArray[np.intp]]]:
        """What aggregators read. A number that cannot be read is null for them, and reported."""
        import polars as pl

        mistakes = []
        for name in self._input_names():
            if name not in frame.columns:
                continue
            column = frame[name]
            if name in self._numeric_inputs and not column.dtype.is_numeric():
                numbers = to_metric(column, self._numeric_inputs[name])
                if numbers.bad is not None:
                    mistakes.append((name, "METRIC", numbers.bad))
                if name not in self._raw_inputs:
                    column = pl.Series(name, numbers.values)
                    if numbers.nulls is not None:
                        column = pl.select(pl.when(~pl.Series(numbers.nulls)).then(column)).to_series()
            batch.inputs[name] = column
        return mistakes

    def _discover(self, frame: pl.DataFrame) -> None:
        """Take note of columns that nobody named; what transforms make is no dimension by itself."""
        if not self.schema.dimensions_spec.discovers:
            return
        known = {"", *self._types, *self._excluded, *self.discovered, *self.source.wanted_system_fields}
        new = [name for name in frame.columns if name not in known]
        self.discovered.update(dict.fromkeys(name for name in new if self._is_found(frame[name])))

    def _is_found(self, column: pl.Series) -> bool:
        """Whether a column is a dimension, too, if it was read for another reason."""
        if column.name not in self._row_schema.columns or self._found_type == "AUTO":
            return True
        if is_documents(column):
            return any(value is not None for value in flat_values(column))
        return column.null_count() < len(column)

    def _count(self, frame: pl.DataFrame, mistakes: list[tuple[str, str, NDArray[np.intp]]]) -> None:
        if not mistakes:
            self.meters.processed += frame.height
            return
        rows = np.unique(np.concatenate([bad for _, _, bad in mistakes]))
        self.meters.processed += frame.height - len(rows)
        self._report_mistakes(frame, rows, mistakes)

    def _report_mistakes(
        self, frame: pl.DataFrame, rows: NDArray[np.intp], mistakes: list[tuple[str, str, NDArray[np.intp]]]
    ) -> None:
        """Take note of rows in which values cannot be read as what they should be."""
        wanted = self.problems.wanted_samples
        samples = [unparseable_values(frame, mistakes, row) for row in (rows[-wanted:].tolist() if wanted else ())]
        self.problems.partly_valid(len(rows), samples)


def unparseable_time(frame: pl.DataFrame, column: pl.Series | None, row: int) -> tuple[str, str]:
    """A record that has no time, and the message that says so."""
    event = _event(frame, row)
    value = None if column is None else column[row]
    return event, f"Timestamp[{_text(value)}] is unparseable! Event: {event}"


def unparseable_new_time(frame: pl.DataFrame, row: int) -> tuple[str, str]:
    """A record whose time, as the transformSpec has it, is none, and the message that says so."""
    return _event(frame, row), "Could not transform value for __time."


def unparseable_values(
    frame: pl.DataFrame, mistakes: Sequence[tuple[str, str, NDArray[np.intp]]], row: int
) -> tuple[str, list[str]]:
    """A record, and a message for each value of it that cannot be read; ``mistakes``: name, kind, rows."""
    return _event(frame, row), [_mistake(frame, name, kind, row) for name, kind, bad in mistakes if row in bad]


def _mistake(frame: pl.DataFrame, name: str, kind: str, row: int) -> str:
    value = frame[name][row]
    if kind == "METRIC":
        return f"Unable to parse value[{_text(value)}] for field[{name}]"
    word = kind.lower()
    if isinstance(value, bytes):
        value = decode_document(value)
    if not isinstance(value, str | bool | float | int) and value is not None:
        return (
            f"Could not ingest value [{_text(value)}] as {word} for dimension [{name}]. "
            f"A {word} column cannot have multiple values in the same row."
        )
    return f"Could not convert value [{_text(value)}] to {word} for dimension [{name}]."


def _event(frame: pl.DataFrame, row: int) -> str:
    """A record as Druid prints it in messages, cut."""
    values = {name: value for name, value in frame.row(row, named=True).items() if value is not None}
    text = "{" + ", ".join(f"{name}={_text(value)}" for name, value in values.items()) + "}"
    return text if len(text) < _EVENT_LENGTH else text[:_EVENT_LENGTH] + "..."


def _text(value: Any) -> str:
    return printed(decode_document(value) if isinstance(value, bytes) else value)


def _common_target(kinds: set[str]) -> str:
    if len(kinds) == 1:
        return next(iter(kinds))
    return "STRING" if kinds == {"STRING", "ANY"} else "VALUE"
