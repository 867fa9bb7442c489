"""Native queries over the golden segments, straight through the engine, against the answers that Druid recorded."""

from __future__ import annotations

import functools
import importlib.util
import json
import pathlib
from collections.abc import Iterator
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
GROUPS = (
    "timeseries",
    "topn",
    "groupby",
    "scan",
    "filters",
    "aggregators",
    "dimensions",
    "expressions",
    "metadata",
    "search",
)

#: Records that are not answered as Druid does yet, by reason. An entry that has come right fails the test: remove it.
NOT_YET: dict[str, tuple[str, ...]] = {
    "join data source": (
        "groupby/join_query",
        "groupby/join_full",
    ),
    "sketches are an extension": (
        "aggregators/hll_build_group",
        "aggregators/hll_build_lgk_round",
        "aggregators/hll_build_lgk_round_group",
        "aggregators/theta_build",
        "aggregators/theta_merge_group",
        "aggregators/theta_setops",
        "aggregators/theta_setops_group",
        "aggregators/quantiles_merge",
    ),
    "Druid breaks off in the midst of its answer where a document is null": ("expressions/vc_json_merge_nest_q_1_",),
}
REASONS = {f"native_{name}": reason for reason, names in NOT_YET.items() for name in names}


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


def all_records() -> Iterator[Any]:
    for group in GROUPS:
        for record in records(group):
            name = record["name"]
            marks = [pytest.mark.xfail(reason=REASONS[name], strict=True)] if name in REASONS else []
            yield pytest.param(record, id=name, marks=marks)


@pytest.mark.parametrize("wire", [False, True], ids=["local", "wire"])
@pytest.mark.parametrize("record", all_records())
def test_record(cluster: Cluster, record: dict[str, Any], wire: bool) -> None:
    request = record["request"]
    if wire:  # the partial answers go through JSON, as they do between a Historical and a Broker
        request = {**request, "context": {**request.get("context", {}), "testWire": True}}
    status, text = cluster.answer(request)
    if record["status"] >= 400:
        # The exact shape of errors is the server's business; here the request must be refused.
        assert status >= 400
        return
    why = check.compare(record, status, "application/json", {}, text)
    assert why is None, why
