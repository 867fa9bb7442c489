"""JSON lines row by row: for documents, fields of several types, bad lines, and paths that Arrow cannot follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from attrs import define

from nemeton.ingest.documents import is_flat
from nemeton.ingest.flatten.jq import JqError
from nemeton.ingest.flatten.spec import FieldSpec, FlattenSpec
from nemeton.ingest.formats.chunks import count_lines
from nemeton.ingest.formats.json_features import decode_leniently
from nemeton.ingest.values import column_of, frame_of
from nemeton.spi.ingest import InputRowSchema, ParseProblems, SampledRecord, SampledRecords

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 1000
_NO_JSON = object()
Row = dict[str, Any]


@define
class RowReader:
    """Reads chunks of one input. ``features``: what may deviate from strict JSON."""

    schema: InputRowSchema
    flatten: FlattenSpec
    keep_nulls: bool
    features: Mapping[str, bool]

    def read(self, chunk: bytes, problems: ParseProblems) -> pl.DataFrame:
        """The chunk's rows; lines that are no JSON, or that a query of the flattenSpec fails on, are reported."""
        rows = self._all_rows(chunk)
        bad: list[tuple[str | None, str]] = []
        count = 0
        if rows is None:
            rows = []
            for _, line, value in self._decoded(chunk):
                if value is not _NO_JSON:
                    rows.append(value if isinstance(value, dict) else {})  # as Druid takes what is no object
                    continue
                count += 1
                if len(bad) < problems.wanted_samples:
                    text = _shown(line)
                    bad.append((text, f"Unable to parse row [{text}]"))
        frame, failed = self._frame(rows)
        bad += [(None, message) for message in failed[: problems.wanted_samples]]
        if count or failed:
            problems.unparseable_many(count + len(failed), bad)
        return frame

    def sample(self, chunk: bytes, first: int) -> SampledRecords:
        """Every line with what it holds, or what is wrong with it; ``first`` is the number of the first one."""
        records, rows = [], []
        for number, line, value in self._decoded(chunk, first):
            if not line.strip():
                continue  # an ingestion counts it, a sample has no use for it
            row = value if isinstance(value, dict) else None
            error = f"Unable to parse row [{_shown(line)}] into JSON" if row is None else self._failure(row)
            records.append(SampledRecord(row, error, number))
            if row is not None and error is None:
                rows.append(row)
        return SampledRecords(self._frame(rows)[0], records)

    def _all_rows(self, chunk: bytes) -> list[Row] | None:
        """All lines at once; None where some are no strict JSON objects."""
        import msgspec

        if self.features:
            return None
        try:
            rows: list[Row] = msgspec.json.Decoder(self._row_type()).decode_lines(chunk)
        except (ValueError, RecursionError):
            return None
        return rows if len(rows) == count_lines(chunk) else None

    def _row_type(self) -> Any:
        """What of a line is decoded: all, or the fields of the root that something is made of."""
        places = [each.place for each in self.flatten.fields]
        if self.schema.discover or None in places:
            return Row
        names = {*self.schema.columns, *(str(place[0]) for place in places if place)}
        make: Any = TypedDict
        return make("Wanted", dict.fromkeys(names, Any), total=False)

    def _decoded(self, chunk: bytes, first: int = 1) -> Iterator[tuple[int, bytes, Any]]:
        """The number of each line, and the value that it is; `_NO_JSON` if it is none."""
        for number, line in enumerate(chunk.removesuffix(b"\n").split(b"\n"), first):
            yield number, line, self._decode(line)

    def _decode(self, line: bytes) -> Any:
        import msgspec

        try:
            return msgspec.json.decode(line)
        except (ValueError, RecursionError):
            try:
                return decode_leniently(line, self.features)
            except (ValueError, RecursionError):
                return _NO_JSON

    # ---- rows to columns

    def _frame(self, rows: list[Row]) -> tuple[pl.DataFrame, list[str]]:
        """The rows as columns, and a message for each row that had to be left out."""
        failed: list[str] = []
        fields = [each for each in self.flatten.fields if self.schema.wants(each.name)]
        try:
            picked = {each.name: list(map(each.extract, rows)) for each in fields}
        except JqError:
            failures = [self._failure(row) for row in rows]
            failed = [failure for failure in failures if failure is not None]
            rows = [row for row, failure in zip(rows, failures, strict=True) if failure is None]
            picked = {each.name: list(map(each.extract, rows)) for each in fields}
        columns = {name: column_of(name, values, self.schema.target(name)) for name, values in picked.items()}
        for name in self._root_names(rows):
            values = [row.get(name) for row in rows]
            if name not in self.schema.columns and not self.schema.discover_values:
                if not self._is_found(name, rows):
                    continue
                values = [value if is_flat(value) else None for value in values]
            columns[name] = column_of(name, values, self.schema.target(name))
        return frame_of(columns, len(rows)), failed

    def _root_names(self, rows: list[Row]) -> list[str]:
        """The fields that are wanted and not picked by the flattenSpec, as they were first seen."""
        picked = {each.name for each in self.flatten.fields}
        if not self.schema.discover or not self.flatten.use_field_discovery:
            return [name for name in self.schema.columns if name not in picked]
        seen: dict[str, Any] = {}
        for row in rows:
            seen.update(row)
        return [name for name in seen if name not in picked and self.schema.wants(name)]

    def _is_found(self, name: str, rows: list[Row]) -> bool:
        """Whether a field of the root is found as a dimension."""
        return any(name in row and is_flat(row[name]) and (self.keep_nulls or row[name] is not None) for row in rows)

    def _failure(self, row: Row) -> str | None:
        """What is wrong with a row's fields."""
        for each in self.flatten.fields:
            if message := _try(each, row):
                return message
        return None


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")[:_SHOWN]


def _try(spec: FieldSpec, row: Row) -> str | None:
    try:
        spec.extract(row)
    except JqError as e:
        return f"Unable to read field[{spec.name}] of a row: {e}"
    return None
