"""What the tests of ingestion share: a converter, a way to ingest a spec, and to read segments as rows."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nemeton.ingest.index.builder import SegmentBuilder
from nemeton.ingest.meters import ParseExceptionHandler, RowMeters
from nemeton.ingest.reader import InputSourceReader
from nemeton.ingest.schema import DataSchema
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.segment import QueryableIndex
from nemeton.segment.object_columns import ObjectColumn
from nemeton.spi.ingest import InputFormat, InputSource

GOLDEN = Path(__file__).parents[2] / "golden"
EXTENSIONS = (
    "nemeton.model.extension",
    "nemeton.query.extension",
    "nemeton.ingest.extension",
    "nemeton.indexing.extension",
)


@functools.cache
def converter() -> Json:
    return Json(load_extensions({}, EXTENSIONS).registry)


def golden_spec(name: str) -> dict[str, Any]:
    text = (GOLDEN / "specs" / f"{name}.json").read_text().replace("${DATA_DIR}", str(GOLDEN / "data"))
    spec: dict[str, Any] = json.loads(text)
    return spec


class Ingested:
    """The outcome of reading a spec's input into segments below a folder."""

    def __init__(self, spec: dict[str, Any], folder: Path, **options: Any) -> None:
        self.meters = RowMeters()
        self.problems = ParseExceptionHandler(self.meters, max_saved=10)
        schema = converter().structure(spec["dataSchema"], DataSchema)
        io = spec["ioConfig"]
        reader = InputSourceReader(
            schema,
            converter().structure(io["inputSource"], InputSource),
            converter().structure(io["inputFormat"], InputFormat),
            self.meters,
            self.problems,
        )
        builder = SegmentBuilder(schema, folder / "work", converter(), discovered=reader.discovered, **options)
        self.segments: list[QueryableIndex] = []
        for batch in reader.batches():
            builder.add(batch)
        self.runs_spilled = len(list((folder / "work").glob("run-*")))
        for pending in builder.segments():
            place = folder / f"{len(self.segments):04d}"
            pending.write(place)
            self.segments.append(QueryableIndex.open(place))
        builder.close()

    def rows(self) -> list[dict[str, Any]]:
        return [row for segment in self.segments for row in rows_of(segment)]


def values_of(segment: Any, name: str) -> list[Any]:
    column, count = segment.column(name), segment.num_rows
    if isinstance(column, ObjectColumn):
        return list(column.objects(0, count).tolist())
    if str(column.type) == "STRING":
        if not column.has_multiple_values:
            return [column.lookup(int(code)) for code in column.codes(0, count)]
        offsets, codes = column.offsets_codes(0, count)
        values = column.lookup_many(codes).tolist()
        return [values[offsets[i] : offsets[i + 1]] for i in range(count)]
    nulls = column.nulls(0, count)
    return [None if nulls is not None and nulls[i] else v for i, v in enumerate(column.values(0, count).tolist())]


def rows_of(segment: Any, names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    columns = {name: values_of(segment, name) for name in names or segment.column_names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def inline_spec(data: str, input_format: dict[str, Any], **schema: Any) -> dict[str, Any]:
    data_schema = {
        "dataSource": "ds",
        "timestampSpec": {"column": "t", "format": "auto"},
        "dimensionsSpec": {"dimensions": []},
        "granularitySpec": {"segmentGranularity": "DAY", "queryGranularity": "NONE", "rollup": False},
    }
    data_schema.update(schema)
    return {
        "dataSchema": data_schema,
        "ioConfig": {"inputSource": {"type": "inline", "data": data}, "inputFormat": input_format},
    }
