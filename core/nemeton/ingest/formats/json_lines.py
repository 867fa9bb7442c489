"""One JSON object per line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from attrs import field, frozen

from nemeton.common.errors import unsupported
from nemeton.ingest.formats.chunks import CHUNK_BYTES, SAMPLE_BYTES, line_chunks
from nemeton.ingest.formats.json_slow import read_lines, sample_lines
from nemeton.json import json_options, wire
from nemeton.plugins import json_type
from nemeton.spi.ingest import InputFormat, InputRowSchema, ParseProblems, SampledRecords

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@json_type("json")
@json_options(omit_none=True)
@frozen(kw_only=True)
class JsonInputFormat(InputFormat):
    """Lines of JSON (Druid: ``JsonInputFormat``): the root's fields; those that hold objects are left out.

    A line that is no JSON object is reported. Chunks whose fields have one type each are parsed at once; others, and
    those with bad lines, go line by line.
    """

    flatten_spec: dict[str, Any] | None = None
    feature_spec: dict[str, bool] | None = None
    keep_null_columns: bool | None = None
    assume_newline_delimited: bool | None = None
    use_json_node_reader: bool | None = None
    chunk_bytes: int = field(default=CHUNK_BYTES, metadata=wire(skip=True))

    def __attrs_post_init__(self) -> None:
        fields = (self.flatten_spec or {}).get("fields")
        if any(not isinstance(item, str) and item.get("type") != "root" for item in fields or ()):
            raise unsupported("flattenSpec with fields of type path, jq or tree is not supported yet (inputFormat)")
        if (self.flatten_spec or {}).get("useFieldDiscovery") is False:
            raise unsupported("flattenSpec with useFieldDiscovery = false is not supported yet (inputFormat)")
        if self.use_json_node_reader:
            raise unsupported("useJsonNodeReader is not supported yet (inputFormat); JSON is read line by line")

    @property
    def is_splittable(self) -> bool:
        """Lines may be read apart."""
        return True

    def batches(self, stream: BinaryIO, schema: InputRowSchema, problems: ParseProblems) -> Iterator[pl.DataFrame]:
        """See :class:`InputFormat`."""
        known: dict[str, pa.DataType] = {}
        for chunk in line_chunks(stream, self.chunk_bytes):
            frame = _read_fast(chunk, schema, known)
            if frame is None:
                frame = read_lines(chunk, schema, problems)
            if frame.height:
                yield frame

    def sampled(self, stream: BinaryIO, schema: InputRowSchema) -> Iterator[SampledRecords]:
        """See :class:`InputFormat`. The values are those of the record, objects too."""
        line = 1
        for chunk in line_chunks(stream, SAMPLE_BYTES):
            yield sample_lines(chunk, schema, line)
            line += chunk.count(b"\n")


def _read_fast(chunk: bytes, schema: InputRowSchema, known: dict[str, pa.DataType]) -> pl.DataFrame | None:
    """Parse the whole chunk by Arrow; None when that is not exact. ``known`` keeps types for the next chunk."""
    import polars as pl
    import pyarrow as pa

    if not schema.discover:
        known = {name: kind for name, kind in known.items() if schema.wants(name)}
    table = _read_table(chunk, known)
    if table is None or table.num_rows != _count_lines(chunk):
        return None
    columns: dict[str, pl.Series] = {}
    for name in table.column_names:
        column = table.column(name)
        if not schema.wants(name):
            continue
        if pa.types.is_struct(column.type):
            if schema.columns.get(name) == "AUTO":
                return None
            continue
        if not _is_exact(column.type, schema.columns.get(name, "STRING")):
            return None
        columns[name] = pl.Series(name, column)
    if not columns:
        return None
    return pl.DataFrame(columns)


def _read_table(chunk: bytes, known: Mapping[str, pa.DataType]) -> pa.Table | None:
    import pyarrow as pa
    from pyarrow import json as pa_json

    blocks = pa_json.ReadOptions(block_size=min(len(chunk) + 1, 1 << 30), use_threads=True)
    try:
        table = pa_json.read_json(pa.BufferReader(chunk), blocks, _parse_options(known))
        times = [f.name for f in table.schema if pa.types.is_timestamp(f.type) or _is_list_of_times(f.type)]
        if times:  # texts that look like dates must stay texts
            known = {**known, **{name: _text_type(table.schema.field(name).type) for name in times}}
            table = pa_json.read_json(pa.BufferReader(chunk), blocks, _parse_options(known))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError):
        return None
    if isinstance(known, dict):
        known.update({f.name: f.type for f in table.schema if pa.types.is_string(f.type)})
    return table


def _parse_options(known: Mapping[str, pa.DataType]) -> Any:
    import pyarrow as pa
    from pyarrow import json as pa_json

    explicit = pa.schema(list(known.items())) if known else None
    return pa_json.ParseOptions(explicit_schema=explicit, unexpected_field_behavior="infer")


def _is_list_of_times(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) and pa.types.is_timestamp(kind.value_type))


def _text_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.string()) if pa.types.is_list(kind) else pa.string()


def _is_exact(kind: pa.DataType, target: str) -> bool:
    """Whether the column, as Arrow read it, says all that the texts said.

    Whole numbers beside fractions become fractions, which shows when they are wanted as texts.
    """
    import pyarrow as pa

    if pa.types.is_floating(kind):
        return target in ("FLOAT", "DOUBLE")
    if pa.types.is_list(kind):
        kind = kind.value_type
    exact = (pa.types.is_string, pa.types.is_int64, pa.types.is_boolean, pa.types.is_null)
    return any(is_exact(kind) for is_exact in exact)


def _count_lines(chunk: bytes) -> int:
    """Lines that are not blank, if none is; -1 where some line is."""
    count = chunk.count(b"\n") + (not chunk.endswith(b"\n"))
    return -1 if b"\n\n" in chunk or chunk.startswith(b"\n") else count
