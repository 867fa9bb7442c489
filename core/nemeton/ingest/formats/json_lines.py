"""One JSON object per line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.ingest.flatten.spec import EVERYTHING, FlattenSpec
from nemeton.ingest.formats.chunks import CHUNK_BYTES, SAMPLE_BYTES, line_chunks
from nemeton.ingest.formats.json_features import check_features
from nemeton.json import json_options, wire
from nemeton.plugins import json_type
from nemeton.spi.ingest import InputFormat, InputRowSchema, ParseProblems, SampledRecords

if TYPE_CHECKING:
    import polars as pl

    from nemeton.ingest.formats.json_rows import RowReader

_TRIES = 2
"""After so many chunks in a row that Arrow could not read exactly it is not asked again."""


@json_type("json")
@json_options(omit_none=True)
@frozen(kw_only=True)
class JsonInputFormat(InputFormat):
    """Lines of JSON (Druid: ``JsonInputFormat``): the root's fields, or what ``flatten_spec`` picks.

    A line that is no JSON is reported. Chunks whose fields have one type each are parsed at once; others row by row.
    ``use_json_node_reader`` and ``assume_newline_delimited`` change nothing, as in Druid's batch tasks.
    """

    flatten_spec: FlattenSpec | None = None
    feature_spec: dict[str, bool] | None = None
    keep_null_columns: bool | None = None
    assume_newline_delimited: bool | None = None
    use_json_node_reader: bool | None = None
    chunk_bytes: int = field(default=CHUNK_BYTES, metadata=wire(skip=True))

    def __attrs_post_init__(self) -> None:
        check_features(self.feature_spec or {})
        if self.assume_newline_delimited and self.use_json_node_reader:
            raise invalid_input("useJsonNodeReader cannot be set to true when assumeNewlineDelimited is true.")

    @property
    def is_splittable(self) -> bool:
        """Lines may be read apart."""
        return True

    @property
    def keeps_null_columns(self) -> bool:
        """Whether a field that is always null is found as a dimension."""
        if self.keep_null_columns is not None:
            return self.keep_null_columns
        return self.flatten_spec is not None and self.flatten_spec.use_field_discovery

    def batches(self, stream: BinaryIO, schema: InputRowSchema, problems: ParseProblems) -> Iterator[pl.DataFrame]:
        """See :class:`InputFormat`."""
        from nemeton.ingest.formats.json_arrow import ArrowReader

        slow = self._rows(schema)
        fast = ArrowReader(schema, slow.flatten, slow.keep_nulls)
        failures = 0
        for chunk in line_chunks(stream, self.chunk_bytes):
            frame = fast.read(chunk) if failures < _TRIES else None
            failures = failures + 1 if frame is None else 0
            if frame is None:
                frame = slow.read(chunk, problems)
            if frame.height:
                yield frame

    def _rows(self, schema: InputRowSchema) -> RowReader:
        from nemeton.ingest.formats.json_rows import RowReader

        return RowReader(schema, self.flatten_spec or EVERYTHING, self.keeps_null_columns, self.feature_spec or {})

    def sampled(self, stream: BinaryIO, schema: InputRowSchema) -> Iterator[SampledRecords]:
        """See :class:`InputFormat`. The values are those of the record, objects too."""
        line = 1
        rows = self._rows(schema)
        for chunk in line_chunks(stream, SAMPLE_BYTES):
            yield rows.sample(chunk, line)
            line += chunk.count(b"\n")
