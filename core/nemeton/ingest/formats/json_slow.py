"""JSON lines one by one: for chunks with bad lines, or with fields of several types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nemeton.ingest.documents import encode_documents
from nemeton.query.numbers import LONG_MAX, LONG_MIN, clamp_long, format_double
from nemeton.spi.ingest import InputRowSchema, ParseProblems, SampledRecord, SampledRecords

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 1000


def read_lines(chunk: bytes, schema: InputRowSchema, problems: ParseProblems) -> pl.DataFrame:
    """Parse every line by itself; what is no JSON object is reported and left out."""
    rows: list[dict[str, Any]] = []
    bad: list[tuple[str | None, str]] = []
    count = 0
    for _, row, text, problem in _decoded(chunk):
        if row is not None:
            rows.append(row)
            continue
        count += 1
        if len(bad) < problems.wanted_samples:
            bad.append((text, f"Unable to parse row [{text}]: {problem}"))
    if count:
        problems.unparseable_many(count, bad)
    return _frame(rows, schema)


def sample_lines(chunk: bytes, schema: InputRowSchema, first: int) -> SampledRecords:
    """Every line with what it holds, or what is wrong with it; ``first`` is the number of the first one."""
    records, rows = [], []
    for line, row, text, _ in _decoded(chunk, first):
        error = f"Unable to parse row [{text}] into JSON" if row is None else None
        records.append(SampledRecord(row, error, line))
        if row is not None:
            rows.append(row)
    return SampledRecords(_frame(rows, schema), records)


def _decoded(chunk: bytes, first: int = 1) -> Iterator[tuple[int, dict[str, Any] | None, str, str]]:
    """The number of each line that is not blank, its object, and if it has none its text and what is wrong."""
    import msgspec

    decode = msgspec.json.Decoder().decode
    for number, line in enumerate(chunk.split(b"\n"), first):
        if not line.strip():
            continue
        try:
            row = decode(line)
            if not isinstance(row, dict):
                raise ValueError(f"a JSON object is expected, not {type(row).__name__}")
            yield number, row, "", ""
        except (ValueError, RecursionError) as e:
            yield number, None, line.decode("utf-8", "replace")[:_SHOWN], str(e)


def _frame(rows: list[dict[str, Any]], schema: InputRowSchema) -> pl.DataFrame:
    import polars as pl

    names = dict.fromkeys(name for row in rows for name in row)
    wanted = [name for name in names if schema.wants(name)]
    columns = {
        name: _column(name, [row.get(name) for row in rows], schema.columns.get(name, "STRING")) for name in wanted
    }
    made = {name: column for name, column in columns.items() if column is not None}
    if rows and not made:
        made = {"": pl.Series("", [None] * len(rows), dtype=pl.String)}
    return pl.DataFrame(made)


def _column(name: str, values: list[Any], target: str) -> pl.Series | None:
    """The values as one column; None when they are objects."""
    import polars as pl

    kinds = {type(value) for value in values} - {type(None)}
    if target == "AUTO":
        return _as_it_is(name, values, kinds)
    if kinds & {dict}:
        values = [None if isinstance(value, dict) else value for value in values]
        kinds -= {dict}
        if not kinds:
            return None
    if list in kinds:
        return pl.Series(name, [_list(value) for value in values], dtype=pl.List(pl.String))
    if target in ("LONG", "FLOAT", "DOUBLE", "ANY") and kinds <= {int, float}:
        if kinds <= {int} and all(value is None or LONG_MIN <= value <= LONG_MAX for value in values):
            return pl.Series(name, values, dtype=pl.Int64)
        if target == "LONG":
            return pl.Series(name, [None if v is None else clamp_long(v) for v in values], dtype=pl.Int64)
        return pl.Series(name, [None if v is None else float(v) for v in values], dtype=pl.Float64)
    if target == "LONG":
        values = [clamp_long(value) if isinstance(value, float) else value for value in values]
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _as_it_is(name: str, values: list[Any], kinds: set[type]) -> pl.Series:
    """Values of one simple type as they are, others as documents."""
    import polars as pl

    simple = {int: pl.Int64, float: pl.Float64, str: pl.String, bool: pl.Boolean}
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    kind = simple.get(next(iter(kinds)))
    if (
        len(kinds) > 1
        or kind is None
        or (kinds == {int} and not all(v is None or LONG_MIN <= v <= LONG_MAX for v in values))
    ):
        return encode_documents(name, values)
    return pl.Series(name, values, dtype=kind)


def _list(value: Any) -> list[str | None] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        return [_text(value)]
    if any(isinstance(item, dict | list) for item in value):  # not flat: not a field of the root for Druid
        return None
    return [_text(item) for item in value]


def _text(value: Any) -> str | None:
    """The value as Java prints it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return format_double(value) if isinstance(value, float) else str(value)
