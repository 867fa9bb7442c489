"""The sampler: of each of the first records, what an ingestion would make of it, in the order of the input."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from attrs import field, frozen
from tests.unit.indexing.batch.fakes import Bench
from tests.unit.indexing.batch.parallel_bench import ThingsByType
from tests.unit.indexing.batch.test_batch_tasks import csv_spec, rows
from tests.unit.ingest.helpers import EXTENSIONS, converter, golden_spec
from tests.unit.ingest.test_golden import supported

from nemeton.common.errors import DruidException
from nemeton.indexing.overlord.action_clients import OverlordActionToolbox
from nemeton.indexing.sampler.sampler import InputSourceSampler, SamplerConfig
from nemeton.indexing.sampler.spec import SamplerSpec
from nemeton.json import Json
from nemeton.model import TaskState
from nemeton.plugins import load_extensions
from nemeton.spi.indexing import TaskConfig
from nemeton.spi.ingest import InputEntity, InputFormat, InputSource
from nemeton.storage.local import LocalDataSegmentPuller

REFERENCE = Path(__file__).parents[3] / "data" / "reference" / "batch" / "sampler.json"
LINES = (
    '{"ts":"2024-01-01T01","a":"x","n":1}\n{"ts":"2024-01-01T02","a":"x","n":2}\n{"ts":"2024-01-02","a":"y","n":"no"}'
)


def sampler(actions: Any = None) -> InputSourceSampler:
    parts = dict.fromkeys(("lockbox", "metadata", "segment_allocation"))
    toolbox = actions or OverlordActionToolbox(**parts, json=converter())  # type: ignore[arg-type]
    return InputSourceSampler(converter(), TaskConfig(), toolbox, LocalDataSegmentPuller())


def sample(body: dict[str, Any], actions: Any = None, wanted: dict[str, Any] | None = None) -> Any:
    injector = ThingsByType({InputSourceSampler: sampler(actions)})
    json_ = Json(load_extensions({}, EXTENSIONS).registry, injector=injector)
    spec = json_.structure({"type": "index", "samplerConfig": wanted or {}, **body}, SamplerSpec)
    return json.loads(json_.dumps(spec.sample()))


def body(data: str = LINES, input_format: Any = None, **schema: Any) -> dict[str, Any]:
    data_schema = {
        "dataSource": "s",
        "timestampSpec": {"column": "ts", "format": "auto"},
        "dimensionsSpec": {"dimensions": ["a"]},
        "granularitySpec": {"rollup": False},
        **schema,
    }
    io = {"inputSource": {"type": "inline", "data": data}, "inputFormat": input_format or {"type": "json"}}
    return {"spec": {"dataSchema": data_schema, "ioConfig": io}}


class TestRecorded:
    def test_records_come_in_order_with_what_became_of_them(self) -> None:
        recorded = json.loads(REFERENCE.read_text())[0]
        asked, theirs = recorded["request"]["body"], recorded["response"]["json"]
        assert sample(asked, wanted=asked["samplerConfig"]) == theirs


class TestRows:
    def test_values_that_cannot_be_read_are_told_beside_the_row(self) -> None:
        number = {"type": "long", "name": "n"}
        found = sample(body(dimensionsSpec={"dimensions": ["a", number]}))["data"]
        assert found[0] == {
            "input": {"ts": "2024-01-01T01", "a": "x", "n": 1},
            "parsed": {"__time": 1704070800000, "a": "x", "n": 1},
        }
        assert found[2] == {
            "input": {"ts": "2024-01-02", "a": "y", "n": "no"},
            "parsed": {"__time": 1704153600000, "a": "y", "n": None},
            "unparseable": True,
            "error": "Found unparseable columns in row: [{ts=2024-01-02, a=y, n=no}], "
            "exceptions: [Could not convert value [no] to long for dimension [n].] (Line: 3)",
        }

    def test_rollup_shows_the_row_at_its_first_record(self) -> None:
        made = sample(
            body(
                metricsSpec=[{"type": "count", "name": "count"}, {"type": "longSum", "name": "n", "fieldName": "n"}],
                granularitySpec={"rollup": True, "queryGranularity": "DAY"},
            )
        )
        assert (made["numRowsRead"], made["numRowsIndexed"]) == (3, 2)
        parsed = [row["parsed"] for row in made["data"]]
        assert parsed == [
            {"__time": 1704067200000, "a": "x", "count": 2, "n": 3},
            {"__time": 1704153600000, "a": "y", "count": 1, "n": None},
        ]
        assert [column["type"] for column in made["logicalSegmentSchema"]] == ["LONG", "STRING", "LONG", "LONG"]

    def test_transforms_and_filter(self) -> None:
        """Rows that the filter drops are not there, and do not count."""
        transform = {
            "transforms": [{"type": "expression", "name": "b", "expression": "concat(a, '!')"}],
            "filter": {"type": "selector", "dimension": "b", "value": "x!"},
        }
        asked = body(dimensionsSpec={"dimensions": ["b"]}, transformSpec=transform)
        made = sample(asked)
        assert made["numRowsRead"] == 2
        assert [row["parsed"]["b"] for row in made["data"]] == ["x!", "x!"]
        assert "b" not in made["data"][0]["input"]

    def test_rows_outside_of_the_intervals_are_shown(self) -> None:
        granularity = {"rollup": False, "intervals": ["2000/2001"]}
        assert sample(body(granularitySpec=granularity))["numRowsIndexed"] == 3

    def test_multiple_values(self) -> None:
        lines = '{"ts":"2024","a":["z","b"]}\n{"ts":"2024","a":["one"]}\n{"ts":"2024","a":[]}\n{"ts":"2024"}'
        assert [row["parsed"]["a"] for row in sample(body(lines))["data"]] == [["b", "z"], "one", None, None]

    def test_without_a_schema_all_columns_are_strings(self) -> None:
        asked = body('{"timestamp":"2024-01-01","x":1}')
        del asked["spec"]["dataSchema"]
        made = sample(asked)
        assert made["data"] == [
            {"input": {"timestamp": "2024-01-01", "x": 1}, "parsed": {"__time": 1704067200000, "x": "1"}}
        ]

    def test_only_wrong_records(self) -> None:
        made = sample(body("nonsense\n[1]\n\nmore", dimensionsSpec={}))
        assert (made["numRowsRead"], made["numRowsIndexed"], made["logicalDimensions"]) == (3, 0, [])
        assert [row["error"] for row in made["data"]] == [
            "Unable to parse row [nonsense] into JSON (Line: 1)",
            "Unable to parse row [[1]] into JSON (Line: 2)",
            "Unable to parse row [more] into JSON (Line: 4)",
        ]

    def test_csv_with_a_header(self) -> None:
        csv = {"type": "csv", "findColumnsFromHeader": True}
        made = sample(body("ts,a,b\n2024-01-01,x,\nbad,y,1\n", csv, dimensionsSpec={}))
        assert made["data"] == [
            {
                "input": {"ts": "2024-01-01", "a": "x", "b": None},
                "parsed": {"__time": 1704067200000, "a": "x", "b": None},
            },
            {
                "input": {"ts": "bad", "a": "y", "b": "1"},
                "unparseable": True,
                "error": "Timestamp[bad] is unparseable! Event: {ts=bad, a=y, b=1}",
            },
        ]

    def test_a_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "f.json").write_text('{"ts":"2024"}\nbroken')
        asked = body()
        asked["spec"]["ioConfig"]["inputSource"] = {"type": "local", "files": [str(tmp_path / "f.json")]}
        assert sample(asked)["data"][1]["error"] == (
            f"Unable to parse row [broken] into JSON (Path: file://{tmp_path}/f.json, Line: 2)"
        )

    @pytest.mark.parametrize("name", ["mixed.1", "mixed_csv.1", "mixed_rollup.1"])
    def test_it_shows_what_a_task_makes(self, name: str, tmp_path: Path) -> None:
        spec = supported(golden_spec(name))["spec"]
        made = sample({"spec": spec}, wanted={"numRows": 5000})
        bench = Bench(spec, tmp_path)
        assert bench.run().status is TaskState.SUCCESS
        assert made["numRowsIndexed"] == bench.totals["processed"]
        listed = spec["dataSchema"]["dimensionsSpec"]["dimensions"]
        autos = [d["name"] for d in listed if isinstance(d, dict) and d["type"] in ("auto", "json")]
        ingested = [{n: v if n in autos else shown(v) for n, v in row.items()} for row in rows(bench.segments)]
        parsed = [row["parsed"] for row in made["data"] if "parsed" in row]
        assert sorted(map(by_name, parsed)) == sorted(map(by_name, ingested))


def by_name(row: dict[str, Any]) -> str:
    return str(sorted(row.items()))


def shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return (value[0] if value else None) if isinstance(value, list) and len(value) < 2 else value


class TestBounds:
    def test_so_many_rows(self) -> None:
        made = sample(body(), wanted={"numRows": 2, "cacheKey": "ignored"})
        assert (made["numRowsRead"], len(made["data"])) == (2, 2)

    def test_rows_beyond_the_bound_are_in_no_sum_and_no_schema(self) -> None:
        lines = "\n".join(['{"ts":"2024-01-01","n":1}'] * 3 + ['{"ts":"2024-01-01","n":1,"late":"x"}'])
        made = sample(
            body(
                lines,
                dimensionsSpec={},
                metricsSpec=[{"type": "longSum", "name": "s", "fieldName": "n"}],
                granularitySpec={"rollup": True},
            ),
            wanted={"numRows": 3},
        )
        assert [row["parsed"] for row in made["data"]] == [{"__time": 1704067200000, "s": 3}]

    def test_at_most_5000(self) -> None:
        with pytest.raises(DruidException, match="numRows must be <= 5000"):
            SamplerConfig(num_rows=5001)

    def test_an_answer_of_so_many_bytes(self) -> None:
        made = sample(body(), wanted={"maxClientResponseBytes": 150})
        assert (made["numRowsRead"], made["numRowsIndexed"], len(made["data"])) == (2, 2, 2)

    def test_rows_of_so_many_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("nemeton.ingest.formats.json_lines.SAMPLE_BYTES", 40)
        assert sample(body(LINES * 20), wanted={"maxBytesInMemory": 1})["numRowsRead"] < 5

    def test_when_the_time_is_over_what_there_is_is_shown(self) -> None:
        source = SlowSource()
        started = time.monotonic()
        json_format = converter().structure({"type": "json"}, InputFormat)
        made = sampler().sample(source, json_format, None, SamplerConfig(timeout_ms=200))
        assert time.monotonic() - started < 10
        assert made["numRowsRead"] == 1
        source.released.set()

    def test_not_too_many_at_once(self) -> None:
        source, one = SlowSource(), sampler()
        json_format = converter().structure({"type": "json"}, InputFormat)
        sampled = [one.sample(source, json_format, None, SamplerConfig(timeout_ms=1))]
        refused = ""
        while not refused and len(sampled) < 500:  # one whose time is over before it has begun to read takes no place
            try:
                sampled.append(one.sample(source, json_format, None, SamplerConfig(timeout_ms=1)))
            except DruidException as failure:
                refused = failure.message
        assert "being read already" in refused
        assert len(sampled) >= 16
        source.released.set()


@frozen(eq=False)
class SlowEntity(InputEntity):
    uri = "slow:/1"
    released: threading.Event

    def open(self) -> BinaryIO:
        return io.BufferedReader(Slow(self.released))


class Slow(io.RawIOBase):
    """One line, and then nothing until it is released."""

    def __init__(self, released: threading.Event) -> None:
        self.released = released
        self.left = io.BytesIO(b'{"timestamp":"2024-01-01"}\n' + b" " * (128 << 10))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.left.read(len(buffer))
        if not data:
            self.released.wait(20)
        buffer[: len(data)] = data
        return len(data)


@frozen(eq=False)
class SlowSource(InputSource):
    released: threading.Event = field(factory=threading.Event)

    def entities(self) -> Iterator[InputEntity]:
        yield SlowEntity(self.released)


class TestReindexing:
    def test_segments_are_sampled(self, tmp_path: Path) -> None:
        bench = Bench(csv_spec("2024-01-01,x,1\n2024-01-02,y,2\n"), tmp_path)
        bench.run()

        class Metadata:
            def retrieve_used_segments(self, *args: Any) -> Any:
                return bench.segments

        parts = {"lockbox": None, "metadata": Metadata(), "segment_allocation": None}
        actions = OverlordActionToolbox(**parts, json=converter())  # type: ignore[arg-type]
        asked = body(dimensionsSpec={}, timestampSpec={"column": "__time", "format": "millis"})
        source = {"type": "druid", "dataSource": "ds", "interval": "2024/2025"}
        asked["spec"]["ioConfig"] = {"inputSource": source}
        made = sample(asked, actions)
        assert [row["parsed"] for row in made["data"]] == [
            {"__time": 1704067200000, "d": "x", "n": "1"},
            {"__time": 1704153600000, "d": "y", "n": "2"},
        ]
        assert made["data"][0]["input"] == {"__time": 1704067200000, "d": "x", "n": 1}


class TestRefused:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"type": "bogus"}, "bogus"),
            ({}, "type"),
            ({"type": "index"}, "spec"),
            ({"type": "index", "spec": {"ioConfig": {"inputSource": {"type": "inline", "data": "x"}}}}, "inputFormat"),
        ],
    )
    def test_bad_requests(self, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(DruidException, match=message):
            converter().structure(wrong, SamplerSpec)

    def test_an_input_that_is_not_there(self) -> None:
        asked = body()
        asked["spec"]["ioConfig"]["inputSource"] = {"type": "local", "files": ["/nowhere/f.json"]}
        with pytest.raises(DruidException, match="/nowhere/f.json"):
            sample(asked)
