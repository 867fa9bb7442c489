"""Native result objects become rows, and native values become what SQL clients see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from nemeton.sql.logical import Field
from nemeton.sql.physical import NativeQuery
from nemeton.sql.types import SqlType
from nemeton.time import Zone, format_datetime, parse_datetime

Row = tuple[Any, ...]


def result_rows(plan: NativeQuery, query: Mapping[str, Any], results: Iterable[Any]) -> Iterator[Row]:
    """The rows in the order of the plan's fields."""
    kind = query["queryType"]
    if kind == "scan":
        return _scan_rows(plan, results)
    records = {"timeseries": _timeseries, "topN": _top_n, "groupBy": _group_by}[kind](results)
    columns = plan.columns
    constants = plan.constants
    if any(name is None for name in columns):
        return (
            tuple(constants[i] if name is None else record.get(name) for i, name in enumerate(columns))
            for record in records
        )
    names = [str(name) for name in columns]
    return (tuple(record.get(name) for name in names) for record in records)


def _timeseries(results: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """The bucket's start is ``d0``, also where the engine leaves ``timestampResultField`` to the caller."""
    for result in results:
        record = result["result"]
        if "d0" not in record and result.get("timestamp") is not None:
            record = {**record, "d0": parse_datetime(result["timestamp"])}
        yield record


def _top_n(results: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for result in results:
        yield from result["result"]


def _group_by(results: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for result in results:
        yield result["event"]


def _scan_rows(plan: NativeQuery, results: Iterable[Any]) -> Iterator[Row]:
    for batch in results:
        positions = {name: index for index, name in enumerate(batch["columns"])}
        picks = [positions.get(name) if name is not None else None for name in plan.columns]
        if None not in picks and picks == list(range(len(batch["columns"]))):
            yield from map(tuple, batch["events"])
            continue
        constants = plan.constants
        for event in batch["events"]:
            yield tuple(constants[i] if pick is None else event[pick] for i, pick in enumerate(picks))


@frozen
class ValueFormat:
    """How values are shown to a client: the time zone of timestamps, and whether arrays come as JSON in a string."""

    zone: Zone
    stringify_arrays: bool = True

    def row(self, row: Row, fields: tuple[Field, ...]) -> list[Any]:
        """A row as JSON values."""
        return [self.value(value, field.type) for value, field in zip(row, fields, strict=True)]

    def value(self, value: Any, kind: SqlType) -> Any:
        """A native value as JSON shows it, by its SQL type."""
        if value is None:
            return None
        name = kind.name
        if name in ("TIMESTAMP", "DATE"):
            return self.timestamp(int(value))
        if name == "BOOLEAN":
            return value.lower() == "true" if isinstance(value, str) else bool(value)
        if isinstance(value, (list, tuple)):
            return self._array(value, kind)
        if name == "OTHER":
            return _json_text(value) if isinstance(value, (dict, bool, int, float)) else value
        if kind.is_integer and isinstance(value, float):
            return int(value)
        if name in ("DOUBLE", "FLOAT", "DECIMAL", "REAL") and isinstance(value, int):
            return float(value)
        if kind.is_character and not isinstance(value, str):
            return _text(value)
        return value

    def _array(self, value: Iterable[Any], kind: SqlType) -> Any:
        """Arrays, and the several values of a multi-value string, which a VARCHAR shows as JSON."""
        items = list(value)
        if kind.is_array and not self.stringify_arrays:
            return items
        return _json_text(items)

    def timestamp(self, millis: int) -> str:
        """ISO-8601 with the zone's offset, ``Z`` for UTC."""
        offset = self.zone.offset(millis)
        text = format_datetime(millis + offset)
        if self.zone.name == "UTC":
            return text
        sign, minutes = ("-" if offset < 0 else "+"), abs(offset) // 60_000
        return f"{text[:-1]}{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _json_text(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()
