"""Parquet files as input."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from attrs import field, frozen

from nemeton.common.errors import invalid_input, unsupported
from nemeton.ingest.flatten.spec import EVERYTHING, FieldSpec, FlattenSpec
from nemeton.ingest.values import column_of, frame_of
from nemeton.json import json_options, wire
from nemeton.plugins import json_type
from nemeton.spi.ingest import InputFormat, InputRowSchema, ParseProblems, SampledRecords

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

_IN_MEMORY = 32 << 20
_BATCH_ROWS = 64 << 10
_SAMPLE_ROWS = 1000
_NO_FIELDS = ("jq", "tree")


@json_type("parquet")
@json_options(omit_none=True)
@frozen(kw_only=True)
class ParquetInputFormat(InputFormat):
    """The columns of a file, or what ``flatten_spec`` picks (Druid: ``ParquetInputFormat``).

    Bytes without a meaning of their own are Base64, or texts with ``binary_as_string``.
    """

    flatten_spec: FlattenSpec | None = None
    binary_as_string: bool = field(default=False, metadata=wire(omit_default=True))

    def __attrs_post_init__(self) -> None:
        for spec in (self.flatten_spec or EVERYTHING).fields:
            if spec.type in _NO_FIELDS:
                raise unsupported(
                    f"Parquet does not support fields of type[{spec.type}] (field[{spec.name}], flattenSpec)"
                )

    def batches(self, stream: BinaryIO, schema: InputRowSchema, problems: ParseProblems) -> Iterator[pl.DataFrame]:
        """See :class:`InputFormat`."""
        return self._batches(stream, schema, _BATCH_ROWS)

    def sampled(self, stream: BinaryIO, schema: InputRowSchema) -> Iterator[SampledRecords]:
        """See :class:`InputFormat`."""
        return self.sampled_from(lambda problems: self._batches(stream, schema, _SAMPLE_ROWS))

    def _batches(self, stream: BinaryIO, schema: InputRowSchema, rows: int) -> Iterator[pl.DataFrame]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # The end of the file says what is in it, so that it has to be here as a whole.
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
            copy.seek(0)
            try:
                file = pq.ParquetFile(copy, coerce_int96_timestamp_unit="ms")
                reader = _FileReader(file, schema, self.flatten_spec or EVERYTHING, self.binary_as_string)
                for batch in file.iter_batches(batch_size=rows, columns=reader.roots):
                    if batch.num_rows:
                        yield reader.frame(batch)
            except (pa.ArrowException, OSError) as e:
                raise invalid_input(f"The input cannot be read as Parquet: {e}") from e


class _FileReader:
    """Makes columns of one file's record batches."""

    def __init__(self, file: pq.ParquetFile, schema: InputRowSchema, flatten: FlattenSpec, as_string: bool) -> None:
        self._schema = schema
        self._as_string = as_string
        self._file = file
        self._fields = [each for each in flatten.fields if schema.wants(each.name)]
        picked = {each.name for each in flatten.fields}
        names = [name for name in file.schema_arrow.names if name not in picked and schema.wants(name)]
        self._names = [name for name in names if name in schema.columns or self._is_found(name, flatten)]
        places = [each.place for each in self._fields]
        needed = {str(place[0]) for place in places if place}
        everything = any(place is None for place in places)
        #: the columns of the file that are read
        self.roots = [n for n in file.schema_arrow.names if everything or n in needed or n in self._names]

    def _is_found(self, name: str, flatten: FlattenSpec) -> bool:
        from nemeton_parquet.plain import is_list, is_nested

        if not flatten.use_field_discovery:
            return False
        kind = self._file.schema_arrow.field(name).type
        return self._schema.discover_values or not (is_list(kind) or is_nested(kind))

    def frame(self, batch: pa.RecordBatch) -> pl.DataFrame:
        """The rows of a batch."""
        columns = {each.name: self._picked(batch, each) for each in self._fields}
        for name in self._names:
            columns[name] = self._root(batch, name, name)
        return frame_of(columns, batch.num_rows)

    def _root(self, batch: pa.RecordBatch, root: str, name: str) -> pl.Series:
        """A column of the file, for a column of the rows."""
        import polars as pl
        import pyarrow as pa

        from nemeton_parquet.plain import decimal_texts, documents, is_nested, plain

        array, target = batch.column(root), self._schema.target(name)
        if is_nested(array.type):
            return column_of(name, documents(array, self._as_string), target)
        if pa.types.is_decimal(array.type) and target == "STRING":
            return pl.Series(name, decimal_texts(array, self._is_stored_as_number(root)))
        series = pl.Series(name, plain(array, self._as_string))
        return series.cast(pl.Float64) if series.dtype == pl.Float32 and target == "VALUE" else series

    def _is_stored_as_number(self, root: str) -> bool:
        stored = self._file.schema
        physical = [stored.column(i).physical_type for i in range(len(stored)) if stored.column(i).path == root]
        return physical in (["INT32"], ["INT64"])

    def _picked(self, batch: pa.RecordBatch, spec: FieldSpec) -> pl.Series:
        """A field of the flattenSpec."""
        from nemeton_parquet.plain import documents

        if spec.place is not None and len(spec.place) == 1 and spec.place[0] in batch.schema.names:
            return self._root(batch, str(spec.place[0]), spec.name)
        names = batch.schema.names if spec.place is None else [spec.place[0]]
        roots: dict[str, list[Any]] = {
            str(name): documents(batch.column(name), self._as_string) for name in names if name in batch.schema.names
        }
        rows = [dict(zip(roots, values, strict=True)) for values in zip(*roots.values(), strict=True)]
        values = list(map(spec.extract, rows or [{}] * batch.num_rows))
        return column_of(spec.name, values, self._schema.target(spec.name))
