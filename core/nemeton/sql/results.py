"""What native queries answer becomes rows, and native values become what SQL clients see."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from attrs import frozen

from nemeton.common.closing import close_if_possible
from nemeton.common.errors import DruidException
from nemeton.json.plain import are_finite, is_plain_column
from nemeton.model.results import ResultColumns
from nemeton.sql.errors import general_error
from nemeton.sql.logical import Field
from nemeton.sql.physical import NativeQuery
from nemeton.sql.types import SqlType
from nemeton.time import Zone, format_datetime, parse_datetime

Row = tuple[Any, ...]
_BLOCK_ROWS = 512


@frozen(eq=False)
class RowBlock:
    """Some rows by column, each of `num_rows` values; for their types see `ResultColumns`."""

    columns: Sequence[Sequence[Any]]
    num_rows: int
    value_types: Sequence[type | None] | None = None

    @property
    def rows(self) -> Iterable[Row]:
        """The values of each row."""
        return zip(*self.columns, strict=True) if self.columns else [()] * self.num_rows


@frozen(eq=False)
class ShownRows:
    """Some rows of JSON values; `are_plain` says that the encoder takes them as they are."""

    rows: Sequence[Sequence[Any]]
    are_plain: bool = False


def in_blocks(rows: Iterable[Row]) -> Iterator[RowBlock]:
    """Rows by column, lazily: the first alone, then some hundred at a time."""
    rest = iter(rows)
    try:
        for size in itertools.chain([1], itertools.repeat(_BLOCK_ROWS)):
            block = list(itertools.islice(rest, size))
            if not block:
                return
            yield RowBlock(list(zip(*block, strict=True)), len(block))
    finally:
        close_if_possible(rest)


def result_blocks(plan: NativeQuery, query: Mapping[str, Any], results: Iterable[Any]) -> Iterator[RowBlock]:
    """The rows of result objects, or of `ResultColumns`, in the order of the plan's fields."""
    left = iter(results)
    try:
        for first in left:
            if isinstance(first, ResultColumns):
                yield from (_picked(plan, each) for each in itertools.chain([first], left))
            else:
                yield from in_blocks(_result_rows(plan, query, itertools.chain([first], left)))
    finally:
        close_if_possible(left)


def _picked(plan: NativeQuery, found: ResultColumns) -> RowBlock:
    types = found.value_types or [None] * len(found.names)
    by_name = dict(zip(found.names, zip(found.columns, types, strict=True), strict=True))
    missing = [None] * found.num_rows, None
    picked = [
        ([plan.constants[place]] * found.num_rows, None) if name is None else by_name.get(name, missing)
        for place, name in enumerate(plan.columns)
    ]
    return RowBlock([column for column, _ in picked], found.num_rows, [kind for _, kind in picked])


def _result_rows(plan: NativeQuery, query: Mapping[str, Any], results: Iterable[Any]) -> Iterator[Row]:
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


Converter = Callable[[Any], Any]


@frozen
class ValueFormat:
    """How values are shown to a client: the time zone of timestamps, and whether arrays come as JSON in a string."""

    zone: Zone
    stringify_arrays: bool = True

    def shown(self, blocks: Iterable[RowBlock], fields: tuple[Field, ...]) -> Iterator[ShownRows]:
        """Rows of native values as rows of JSON values, lazily."""
        kinds = [field.type for field in fields]
        left = iter(blocks)
        try:
            for block in left:
                types = block.value_types or [None] * len(kinds)
                shown = [*map(self._column, block.columns, kinds, types)]
                are_plain = all(is_plain for _, is_plain in shown)
                yield ShownRows(list(RowBlock([column for column, _ in shown], block.num_rows).rows), are_plain)
        finally:
            close_if_possible(left)

    def _column(self, values: Sequence[Any], kind: SqlType, of: type | None) -> tuple[Sequence[Any], bool]:
        """The values of a column as `value` makes them, and whether the encoder takes them as they are."""
        convert = self.converter(kind)
        unchanged = _UNCHANGED.get(convert, frozenset())
        if of in unchanged:
            return values, of is not float or are_finite(values)
        if not set(map(type, values)) - {type(None)} <= unchanged:
            values = self._converted(values, convert)
        return values, is_plain_column(values)

    def _converted(self, values: Sequence[Any], convert: Converter) -> Sequence[Any]:
        """All at once where many are the same."""
        if convert == self.timestamp:
            distinct = set(values)
            if len(distinct) <= len(values) // 2:  # dates, or the buckets of a grouping
                spelt = {value: None if value is None else convert(value) for value in distinct}
                return [spelt[value] for value in values]
        return [None if value is None else convert(value) for value in values]

    def value(self, value: Any, kind: SqlType) -> Any:
        """A native value as JSON shows it, by its SQL type."""
        return None if value is None else self.converter(kind)(value)

    def converter(self, kind: SqlType) -> Converter:
        """What makes JSON values of the native values of a type; it is not asked for nulls."""
        if kind.is_datetime:
            return self.timestamp
        if kind.is_boolean:
            return _boolean
        if kind.is_array:
            as_list = _json_text if self.stringify_arrays else list
            # an auto column of arrays may hold single values, too
            return lambda value: as_list(value) if isinstance(value, list | tuple) else value
        if kind.is_integer:
            return _integer
        if kind.is_numeric:
            return _double
        return _other if kind.name == "OTHER" else _text

    def timestamp(self, value: Any) -> str:
        """ISO-8601 with the zone's offset, ``Z`` for UTC."""
        millis = int(value)
        if self.zone.name == "UTC":
            return _wall_clock(millis) + "Z"
        offset = self.zone.offset(millis)
        text = _wall_clock(millis + offset)
        sign, shift = ("-" if offset < 0 else "+"), abs(offset) // 60_000
        return f"{text}{sign}{shift // 60:02d}:{shift % 60:02d}"


def _wall_clock(millis: int) -> str:
    """``yyyy-MM-ddTHH:mm:ss.SSS`` of local milliseconds; days and times of day that come again are spelt once."""
    return f"{_date(millis // _DAY)}T{_clock(millis % _DAY)}"


@lru_cache(maxsize=4096)
def _clock(millis: int) -> str:
    """``HH:mm:ss.SSS`` of a time of day; dates have only one."""
    seconds, milli = divmod(millis, 1000)
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{milli:03d}"


_DAY = 86_400_000


@lru_cache(maxsize=4096)
def _date(days: int) -> str:
    """``yyyy-MM-dd`` of a day since the epoch; results have few days and many rows."""
    return format_datetime(days * _DAY)[: -len("T00:00:00.000Z")]


def _boolean(value: Any) -> bool:
    return value.lower() == "true" if isinstance(value, str) else bool(value)


def _integer(value: Any) -> Any:
    if value.__class__ is list:
        raise _not_one_number("INTEGER")
    return int(value) if value.__class__ is float else value


def _double(value: Any) -> Any:
    if value.__class__ is list:
        raise _not_one_number("DOUBLE")
    return float(value) if value.__class__ is int else value


def _not_one_number(kind: str) -> DruidException:
    """A number computed of each value of a multi-value string has no place in a row."""
    return general_error(f"Cannot coerce a field from type [java.util.ArrayList] to type [{kind}]")


def _text(value: Any) -> Any:
    """Strings as they are; the several values of a multi-value string as JSON."""
    if value.__class__ is str:
        return value
    if isinstance(value, (list, tuple)):
        return _json_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _other(value: Any) -> Any:
    """Complex values: structured ones as JSON in a string."""
    return value if isinstance(value, str) else _json_text(value)


def _json_text(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


#: The types of values that a converter leaves as they are.
_UNCHANGED: dict[Converter, frozenset[type]] = {
    _boolean: frozenset({bool}),
    _integer: frozenset({int}),
    _double: frozenset({float}),
    _text: frozenset({str}),
    _other: frozenset({str}),
}
