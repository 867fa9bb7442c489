"""The golden segments behind the engine, without servers, and the comparison with what Druid answered."""

from __future__ import annotations

import functools
import importlib.util
import json
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.query.lookups import FixedLookups
from nemeton.segment.index import QueryableIndex
from nemeton.segment.zipped import unpack_zip
from nemeton.spi.query import Query
from nemeton.time import Interval

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


def load_check() -> Any:
    spec = importlib.util.spec_from_file_location("golden_check", GOLDEN / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = load_check()


def golden_lookups() -> FixedLookups:
    tiers = json.loads((GOLDEN / "lookups.json").read_text())
    return FixedLookups({name: item["lookupExtractorFactory"]["map"] for name, item in tiers["__default"].items()})


class Cluster:
    """All golden data sources, opened when first asked for."""

    def __init__(self, folder: pathlib.Path) -> None:
        properties = {"druid.extensions.loadList": '["druid-datasketches"]'}
        self.json = Json(load_extensions(properties, ["nemeton.query.extension"]).registry)
        self.engine = QueryEngine(lookups=golden_lookups())
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
        if query.context.get("testWire"):
            query = self.json.loads(self.json.dumps(query), Query)
        partials = []
        for table in sorted(query.data_source.table_names):
            for name, interval, segment in self.segments(table):
                if query.intervals.clip(interval):
                    partial = self.engine.run_segment(query, segment, segment_id=name, interval=interval)
                    partials.append(partial)
        merged = self.engine.merge(query, partials)
        if query.context.get("testWire"):
            blocks = self.engine.to_blocks(query, merged)
            if blocks is not None:
                merged = self.engine.merge(query, [self.engine.from_blocks(query, list(blocks))])
            rows = self.json.loads(self.json.dumps(list(self.engine.to_wire(query, merged))))
            merged = self.engine.merge(query, [self.engine.from_wire(query, rows)])
        return merged

    def answer(self, request: dict[str, Any]) -> tuple[int, str]:
        try:
            query: Any = self.json.structure(request, Query)
            query.validate_context()
            rows = list(self.engine.execute(query, self.run_tables))
        except DruidException as error:
            return error.http_status, self.json.dumps(error.to_json()).decode()
        return 200, self.json.dumps(rows).decode()


def mismatch(cluster: Cluster, record: dict[str, Any], wire: bool) -> str | None:
    """What is not as Druid answered, or None; with `wire` partial answers go through blocks and JSON."""
    request = record["request"]
    if wire:
        request = {**request, "context": {**request.get("context", {}), "testWire": True}}
    status, text = cluster.answer(request)
    if record["status"] >= 400:  # the exact shape of errors is the server's business; the request must be refused
        return None if status >= 400 else f"answered, though Druid refuses it: {text[:300]}"
    why: str | None = check.compare(record, status, "application/json", {}, text)
    return why


@contextmanager
def golden_cluster(folder: pathlib.Path) -> Iterator[Cluster]:
    """All golden data sources and lookups; segments are unpacked into the folder."""
    yield Cluster(folder)
