"""Native queries that touch a column in every way that engines know."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.segment import QueryableIndex
from nemeton.spi.query import Query

TIMES = ["0000/3000"]
#: Who reads columns of a complex type; extensions that are not installed are passed over.
READERS = {
    "COMPLEX<hyperUnique>": "hyperUnique",
    "COMPLEX<HLLSketch>": "HLLSketchMerge",
    "COMPLEX<thetaSketch>": "thetaSketch",
    "COMPLEX<quantilesDoublesSketch>": "quantilesDoublesSketch",
    "COMPLEX<KllDoublesSketch>": "KllDoublesSketch",
    "COMPLEX<KllFloatsSketch>": "KllFloatsSketch",
    "COMPLEX<arrayOfDoublesSketch>": "arrayOfDoublesSketch",
    "COMPLEX<serializablePairLongDouble>": "doubleLast",
    "COMPLEX<serializablePairLongLong>": "longFirst",
    "COMPLEX<serializablePairLongString>": "stringLast",
}


@functools.cache
def tools() -> tuple[Json, QueryEngine]:
    registry = load_extensions({}, ["nemeton.query.extension"]).registry
    return Json(registry), QueryEngine(registry)


def queries(name: str, kind: str) -> Iterator[dict[str, Any]]:
    """Group, filter, sum, show."""
    base = {"dataSource": "fuzz", "intervals": TIMES, "granularity": "all"}
    aggregators: list[Any] = [{"type": "count", "name": "n"}]
    if kind in ("LONG", "DOUBLE", "FLOAT", "STRING"):
        aggregators += [
            {"type": "doubleSum", "name": "s", "fieldName": name},
            {"type": "longMax", "name": "m", "fieldName": name},
            {"type": "stringLast", "name": "l", "fieldName": name},
        ]
    if READERS.get(kind) in tools()[0].registry.entries_of_hook("aggregators"):
        aggregators.append({"type": READERS[kind], "name": "h", "fieldName": name})
    condition = {"type": "not", "field": {"type": "selector", "dimension": name, "value": "v1"}}
    dimension = {"type": "default", "dimension": name, "outputName": "d"}
    base["aggregations"] = aggregators
    yield {**base, "queryType": "timeseries", "filter": condition}
    yield {**base, "queryType": "groupBy", "dimensions": [dimension]}
    if kind == "COMPLEX<json>":
        part = {
            "type": "expression",
            "name": "p",
            "expression": f"json_value(\"{name}\", '$.a')",
            "outputType": "STRING",
        }
        yield {**base, "queryType": "groupBy", "dimensions": ["p"], "virtualColumns": [part]}
    yield {**base, "queryType": "topN", "dimension": dimension, "metric": "n", "threshold": 9}
    del base["aggregations"]
    yield {**base, "queryType": "scan", "columns": ["__time", name], "resultFormat": "compactedList", "limit": 50}
    yield {
        **base,
        "queryType": "segmentMetadata",
        "analysisTypes": ["cardinality", "minmax", "size", "interval"],
        "toInclude": {"type": "list", "columns": [name]},
    }
    yield {**base, "queryType": "search", "searchDimensions": [name], "query": {"type": "contains", "value": "1"}}


def own_reader(kind: str, query: dict[str, Any]) -> bool:
    """Whether the query only aggregates a column by what is made for its type, which can refuse nothing but damage."""
    return kind in READERS and query["queryType"] == "timeseries"


def run_queries(index: QueryableIndex, names: Sequence[str]) -> None:
    """All queries on these columns; raises what they raise, but for refusals of columns of that type."""
    json, engine = tools()
    for name in names:
        kind = str(index.column_type(name))
        for text in queries(name, kind):
            query = json.structure(text, Query)
            try:
                partial = engine.merge(query, [engine.run_segment(query, index, segment_id="fuzz")])
                list(engine.finalise(query, partial))
            except DruidException as refused:
                if "corrupt" in refused.message or (own_reader(kind, text) and refused.category != "UNSUPPORTED"):
                    raise
