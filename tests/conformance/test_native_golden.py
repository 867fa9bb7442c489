"""Native queries over the golden segments, straight through the engine, against the answers that Druid recorded."""

from __future__ import annotations

import functools
import importlib.util
import json
import pathlib
from typing import Any

import pytest

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.query.lookups import NoLookups, use_lookups
from nemeton.segment.index import QueryableIndex
from nemeton.segment.zipped import unpack_zip
from nemeton.spi.query import Query
from nemeton.time import Interval

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
GROUPS = ("timeseries", "topn", "groupby", "scan", "filters", "aggregators", "dimensions", "expressions", "metadata")

#: What is not there yet, by what occurs in the request (or in the error that says so), with the reason.
NOT_YET = {
    '"dataSource": {"type": "lookup"': "lookup data source",
    '"type": "join"': "join data source",
    '"type": "grouping"': "grouping aggregator",
    '"type": "thetaSketch"': "sketches are an extension",
    '"type": "HLLSketchBuild"': "sketches are an extension",
    '"type": "quantilesDoublesSketch"': "sketches are an extension",
    '"type": "hyperUnique"': "complex columns",
    '"type": "cardinality"': "cardinality aggregator",
    '"expression": "json_': "JSON functions",
    '"expression": "to_json_string': "JSON functions",
    '"expression": "parse_json': "JSON functions",
    '"expression": "try_parse_json': "JSON functions",
    '"rollup", "queryGranularity", "timestampSpec", "size"': "estimated sizes of columns",
}


def load_check() -> Any:
    spec = importlib.util.spec_from_file_location("golden_check", GOLDEN / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = load_check()


class GoldenLookups:
    def __init__(self) -> None:
        tiers = json.loads((GOLDEN / "lookups.json").read_text())
        self.maps = {name: item["lookupExtractorFactory"]["map"] for name, item in tiers["__default"].items()}

    def get(self, name: str) -> dict[str, str | None] | None:
        return self.maps.get(name)


class Cluster:
    """All golden data sources, opened when first asked for."""

    def __init__(self, folder: pathlib.Path) -> None:
        registry = load_extensions({"druid.extensions.loadList": "[]"}, ["nemeton.query.extension"]).registry
        self.json = Json(registry)
        self.engine = QueryEngine()
        self.folder = folder

    @functools.cache  # noqa: B019
    def segments(self, data_source: str) -> list[tuple[str, Interval, QueryableIndex]]:
        found = []
        for archive in sorted((GOLDEN / "segments" / data_source).glob("*/*/index.zip")):
            descriptor = json.loads((archive.parent / "descriptor.json").read_text())
            where = self.folder / data_source / archive.parent.parent.name / archive.parent.name
            where.mkdir(parents=True)
            unpack_zip(archive, where)
            part = descriptor["shardSpec"].get("partitionNum", 0)
            start, end = descriptor["interval"].split("/")
            name = f"{data_source}_{start}_{end}_{descriptor['version']}" + (f"_{part}" if part else "")
            found.append((name, Interval.parse(descriptor["interval"]), QueryableIndex.open(where)))
        return found

    def run_tables(self, query: Any) -> Any:
        partials = []
        for table in sorted(query.data_source.table_names):
            for name, interval, segment in self.segments(table):
                if query.intervals.clip(interval):
                    partial = self.engine.run_segment(query, segment, segment_id=name, interval=interval)
                    partials.append(partial)
        merged = self.engine.merge(query, partials)
        if query.context.get("testWire"):
            rows = self.json.loads(self.json.dumps(list(self.engine.to_wire(query, merged))))
            merged = self.engine.merge(query, [self.engine.from_wire(query, rows)])
        return merged

    def answer(self, request: dict[str, Any]) -> tuple[int, str]:
        try:
            query: Any = self.json.structure(request, Query)
            query.query_context.validate()
            rows = list(self.engine.execute(query, self.run_tables))
        except DruidException as error:
            return error.http_status, self.json.dumps(error.to_json()).decode()
        return 200, self.json.dumps(rows).decode()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Any:
    use_lookups(GoldenLookups())
    yield Cluster(tmp_path_factory.mktemp("segments"))
    use_lookups(NoLookups())


def records(group: str) -> list[dict[str, Any]]:
    return json.loads((GOLDEN / "queries" / f"native_{group}.json").read_text())


def all_records() -> list[Any]:
    return [pytest.param(record, id=record["name"]) for group in GROUPS for record in records(group)]


def not_yet(record: dict[str, Any], text: str) -> str | None:
    request = json.dumps(record["request"])
    for mark, reason in NOT_YET.items():
        if mark in request:
            return reason
    return None


@pytest.mark.parametrize("record", all_records())
def test_record(cluster: Cluster, record: dict[str, Any]) -> None:
    status, text = cluster.answer(record["request"])
    errors = "code"
    if record["status"] >= 400:
        # The exact shape of errors is the server's business; here the request must be refused.
        assert status >= 400
        return
    why = check.compare(record, status, "application/json", {}, text, errors=errors)
    if why is not None:
        reason = not_yet(record, text)
        if reason is None and "cannot be read yet" in text:
            reason = "column kinds of the next issue"
        if reason is not None:
            pytest.skip(f"not yet: {reason}")
    assert why is None, why
