"""JSON lines read by Arrow, a chunk at once, where that loses nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import define, field

from nemeton.ingest.flatten.spec import FieldSpec, FlattenSpec
from nemeton.ingest.formats.chunks import count_lines
from nemeton.spi.ingest import InputRowSchema

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    from polars.datatypes import DataTypeClass


@define
class ArrowReader:
    """Reads chunks of one input. Keeps what it learnt of types for the next chunk."""

    schema: InputRowSchema
    flatten: FlattenSpec
    keep_nulls: bool
    _known: dict[str, pa.DataType] = field(init=False, factory=dict)
    _fields: list[FieldSpec] = field(init=False)
    _is_fit: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._fields = [each for each in self.flatten.fields if self.schema.wants(each.name)]
        self._is_fit = all(each.place is not None for each in self._fields)

    def read(self, chunk: bytes) -> pl.DataFrame | None:
        """The chunk's rows; None when they cannot be read exactly this way."""
        import polars as pl

        if not self._is_fit:
            return None
        table = self._table(chunk)
        if table is None or _has_blank_lines(chunk) or table.num_rows != count_lines(chunk):
            return None
        columns = self._columns(table, chunk)
        return pl.DataFrame(columns) if columns else None

    def _table(self, chunk: bytes) -> pa.Table | None:
        import pyarrow as pa

        try:
            table = _read_json(chunk, self._known)
            times = [f for f in table.schema if self._is_read(f.name) and _is_times(f.type)]
            if times:  # texts that look like dates must stay texts
                table = _read_json(chunk, {**self._known, **{f.name: _text_type(f.type) for f in times}})
            table.validate()  # a list that begins with null has lost it, and is longer than its values
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError):
            self._known.clear()  # what does not fit may be just that
            return None
        self._known |= {f.name: f.type for f in table.schema if self._is_read(f.name) and pa.types.is_string(f.type)}
        return table

    def _is_read(self, root: str) -> bool:
        """Whether something is made of a field of the root."""
        return self.schema.wants(root) or any(each.place and each.place[0] == root for each in self._fields)

    def _columns(self, table: pa.Table, chunk: bytes) -> dict[str, pl.Series] | None:
        import polars as pl

        out: dict[str, pl.Series] = {}
        picked = {each.name for each in self.flatten.fields}
        for each in self._fields:
            column = _picked(table, each.place or ())
            if column is None or not self._is_exact(column, each.name, str((each.place or ("",))[-1]), chunk):
                return None
            out[each.name] = column.alias(each.name)
        for name in table.column_names:
            if name in picked or not self.schema.wants(name):
                continue
            column = pl.Series(name, table.column(name))
            if name not in self.schema.columns and not self._is_found(column):
                continue
            if not self._is_exact(column, name, name, chunk):
                return None
            out[name] = column
        return out

    def _is_found(self, column: pl.Series) -> bool:
        """Whether a column that nobody named becomes a dimension."""
        import polars as pl

        if not self.flatten.use_field_discovery:
            return False
        if self.schema.discover_values:
            return True
        if not self.keep_nulls and column.null_count() == len(column):
            return False
        return not isinstance(_of_values(column), pl.Struct)

    def _is_exact(self, column: pl.Series, name: str, written: str, chunk: bytes) -> bool:
        """Whether the column, as Arrow read it, says all that the texts said; ``written``: its name in the input.

        Whole numbers beside fractions become fractions, which shows when they are wanted as texts or values.
        """
        import polars as pl

        target = self.schema.target(name)
        if column.dtype.is_float():
            kept = target in ("VALUE", "ANY") and not _has_whole_numbers(chunk, written)
            return target in ("FLOAT", "DOUBLE") or kept
        return _of_values(column) in (pl.String, pl.Int64, pl.Boolean, pl.Null)


def _of_values(column: pl.Series) -> pl.DataType | DataTypeClass:
    """The type of the column's values; of lists, that of their elements."""
    import polars as pl

    return column.dtype.inner if isinstance(column.dtype, pl.List) else column.dtype


def _picked(table: pa.Table, place: tuple[str | int, ...]) -> pl.Series | None:
    """What lies at a place in every row; None when it cannot be said for all rows at once."""
    import polars as pl

    name = str(place[0])
    if name not in table.column_names:
        return pl.Series("", [None] * table.num_rows, dtype=pl.Null)
    column = pl.Series(name, table.column(name))
    for part in place[1:]:
        dtype = column.dtype
        if isinstance(part, str) and isinstance(dtype, pl.Struct):
            names = [each.name for each in dtype.fields]
            if part not in names:
                return pl.Series("", [None] * len(column), dtype=pl.Null)
            column = column.struct.field(part)
        elif isinstance(part, int) and isinstance(dtype, pl.List):
            column = column.list.get(part, null_on_oob=True)
        elif dtype != pl.Null:
            return None
    return column


def _read_json(chunk: bytes, known: Mapping[str, pa.DataType]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import json as pa_json

    blocks = pa_json.ReadOptions(block_size=min(len(chunk) + 1, 1 << 30), use_threads=True)
    explicit = pa.schema(list(known.items())) if known else None
    options = pa_json.ParseOptions(explicit_schema=explicit, unexpected_field_behavior="infer")
    return pa_json.read_json(pa.BufferReader(chunk), blocks, options)


def _is_times(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_timestamp(kind.value_type if pa.types.is_list(kind) else kind))


def _text_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.string()) if pa.types.is_list(kind) else pa.string()


def _has_whole_numbers(chunk: bytes, name: str) -> bool:
    """Whether a field of this name, at any depth, may be written as a whole number somewhere."""
    if not name.isascii() or json.dumps(name) != f'"{name}"':
        return True
    pattern = re.compile(rb'"' + re.escape(name.encode()) + rb'"\s*:\s*-?\d+\s*[,}\]]')
    return pattern.search(chunk) is not None


def _has_blank_lines(chunk: bytes) -> bool:
    """Whether some line is empty: Arrow passes over those."""
    return b"\n\n" in chunk or chunk.startswith(b"\n")
