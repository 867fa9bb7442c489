from __future__ import annotations

from typing import Any

import pytest

from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.query.inline import rows_segment
from nemeton.spi.query import Query

DAY = 86_400_000


@pytest.fixture(scope="session")
def json() -> Json:
    return Json(load_extensions({"druid.extensions.loadList": "[]"}, ["nemeton.query.extension"]).registry)


class Runner:
    """Runs native queries as JSON over segments in memory."""

    def __init__(self, json: Json) -> None:
        self.json = json
        self.engine = QueryEngine()

    def query(self, **request: Any) -> Any:
        base = {"dataSource": "t", "intervals": ["1970-01-01/1980-01-01"]}
        if request["queryType"] in ("timeseries", "topN", "groupBy"):
            base["granularity"] = "all"
        return self.json.structure({**base, **request}, Query)

    def run(self, segments: Any, wire: bool = False, **request: Any) -> list[Any]:
        query = self.query(**request)
        listed = segments if isinstance(segments, list) else [segments]

        def tables(inner: Any) -> Any:
            partials = [self.engine.run_segment(inner, s, segment_id=f"s{i}") for i, s in enumerate(listed)]
            merged = self.engine.merge(inner, partials)
            if wire:
                rows = self.json.loads(self.json.dumps(list(self.engine.to_wire(inner, merged))))
                merged = self.engine.merge(inner, [self.engine.from_wire(inner, rows)])
            return merged

        return self.json.loads(self.json.dumps(list(self.engine.execute(query, tables))))

    def partial(self, query: Any, segments: Any) -> Any:
        """What the segments give, merged."""
        return self.engine.merge(query, [self.engine.run_segment(query, each) for each in segments])

    def events(self, segments: Any, **request: Any) -> list[Any]:
        return [row["event"] for row in self.run(segments, **request)]

    def count(self, segment: Any, condition: Any, **request: Any) -> int:
        counting = [{"type": "count", "name": "n"}]
        rows = self.run(segment, queryType="timeseries", aggregations=counting, filter=condition, **request)
        return rows[0]["result"]["n"]


@pytest.fixture
def runner(json: Json) -> Runner:
    return Runner(json)


def make_segment(**columns: Any) -> Any:
    """Columns as lists; strings, ints and floats tell their type. `__time` counts up by the hour unless it is given."""
    size = len(next(iter(columns.values())))
    typed = {"__time": ("LONG", [i * 3_600_000 for i in range(size)])}
    for name, values in columns.items():
        kinds = {type(value) for value in values if value is not None}
        kind = "DOUBLE" if float in kinds else "LONG" if int in kinds else "STRING"
        typed[name] = (kind, values)
    return rows_segment(typed, size)
