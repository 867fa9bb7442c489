"""The golden data sources behind a SQL resource, in one process: what the golden SQL queries are asked of."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nemeton.common.clock import SystemClock
from nemeton.common.errors import DruidException
from nemeton.http.auth import AuthChain
from nemeton.http.errors import error_response
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query.engine import QueryEngine
from nemeton.query.lookups import FixedLookups
from nemeton.segment.index import QueryableIndex
from nemeton.spi.http import Request, Response, StreamingResponse
from nemeton.sql.engine import SqlEngine
from nemeton.sql.module import function_table
from nemeton.sql.schemas import CatalogSource
from nemeton.sql.web.resource import SqlResource
from nemeton.time import Interval

GOLDEN = Path(__file__).parents[1] / "golden"


class GoldenSegment:
    """One segment: its descriptor, and its index once it is asked for."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.descriptor: dict[str, Any] = json.loads((folder / "descriptor.json").read_text())
        self.interval = Interval.parse(self.descriptor["interval"])
        self.partition = int(self.descriptor["shardSpec"].get("partitionNum", 0))
        self._folder = folder
        self._scratch = scratch / "_".join(folder.relative_to(GOLDEN / "segments").parts)
        self._index: QueryableIndex | None = None

    @property
    def index(self) -> QueryableIndex:
        if self._index is None:
            with zipfile.ZipFile(self._folder / "index.zip") as archive:
                archive.extractall(self._scratch)
            self._index = QueryableIndex.open(self._scratch)
        return self._index

    @property
    def id(self) -> str:
        suffix = f"_{self.partition}" if self.partition else ""
        d = self.descriptor
        start, end = d["interval"].split("/")
        return f"{d['dataSource']}_{start}_{end}_{d['version']}{suffix}"


class GoldenCluster:
    """Serves every golden data source; acts as native executor, as schema and as provider of the system tables."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._sources: dict[str, list[GoldenSegment]] = {}
        for folder in sorted((GOLDEN / "segments").glob("*/*/*")):
            segment = GoldenSegment(folder, scratch)
            self._sources.setdefault(segment.descriptor["dataSource"], []).append(segment)
        self._signatures: dict[str, dict[str, str]] = {}
        self._lookups = {
            name: spec["lookupExtractorFactory"]["map"]
            for name, spec in json.loads((GOLDEN / "lookups.json").read_text())["__default"].items()
        }
        self._engine = QueryEngine(lookups=FixedLookups(self._lookups))
        extensions = load_extensions({}, ["nemeton.query.extension", "nemeton.sql.extension"], installed={})
        self.json = Json(extensions.registry)
        source = CatalogSource(self, self, self, AuthChain())
        self.engine = SqlEngine(self, source, function_table(extensions), self.json, SystemClock())
        self.resource = SqlResource(self.engine, self, self.json)

    # --- NativeQueryExecutor ------------------------------------------------------------------------------------

    def execute(self, query: Any, identity: Any) -> Iterable[Any]:
        return self._engine.execute(query, self._run_tables)

    def cancel(self, query_id: str) -> None:
        pass

    def _run_tables(self, query: Any) -> Any:
        partials = [
            self._engine.run_segment(query, segment.index, segment_id=segment.id)
            for name in sorted(query.data_source.table_names)
            for segment in sorted(self._sources.get(name, []), key=lambda s: (s.interval.start, s.partition))
            if any(segment.interval.overlaps(interval) for interval in query.interval_list)
        ]
        return self._engine.merge(query, partials)

    # --- DruidSchema, LookupSchema ------------------------------------------------------------------------------

    def row_signatures(self) -> Mapping[str, Mapping[str, str]]:
        for name, segments in self._sources.items():
            if name not in self._signatures:
                self._signatures[name] = _signature(segments)
        return self._signatures

    def lookups(self) -> Mapping[str, Mapping[str, str | None]]:
        return self._lookups

    # --- SystemSchemaProvider -----------------------------------------------------------------------------------

    def segments(self, identity: Any) -> Iterator[dict[str, Any]]:
        for segments in self._sources.values():
            for segment in segments:
                d = segment.descriptor
                start, end = d["interval"].split("/")
                yield {
                    "segment_id": segment.id,
                    "datasource": d["dataSource"],
                    "start": start,
                    "end": end,
                    "size": d["size"],
                    "version": d["version"],
                    "partition_num": segment.partition,
                    "num_replicas": 1,
                    "num_rows": segment.index.num_rows,
                    "is_active": 1,
                    "is_published": 1,
                    "is_available": 1,
                    "is_realtime": 0,
                    "is_overshadowed": 0,
                    "shard_spec": _compact(d["shardSpec"]),
                    "dimensions": _compact([name for name in d["dimensions"].split(",") if name]),
                    "metrics": _compact([name for name in d["metrics"].split(",") if name]),
                    "replication_factor": 1,
                }

    def servers(self, identity: Any) -> list[dict[str, Any]]:
        return []

    server_segments = tasks = supervisors = servers

    # --- HTTP ---------------------------------------------------------------------------------------------------

    def send(self, record: Mapping[str, Any]) -> tuple[int, str, dict[str, str], str]:
        """Status, content type, headers and text of the answer to a golden record."""
        body = record["raw_body"] if "raw_body" in record else json.dumps(record.get("request"))
        headers = {"content-type": "application/json"}
        headers.update({name.lower(): value for name, value in (record.get("request_headers") or {}).items()})
        method = record.get("method", "POST")
        request = Request(method, record["endpoint"], headers=headers, body=body.encode())
        try:
            if method == "DELETE":
                request.path_params = {"id": record["endpoint"].rsplit("/", 1)[1]}
                answer: Response | StreamingResponse = self.resource.cancel(request)
            else:
                answer = self.resource.post(request)
        except DruidException as error:
            answer = error_response(error, what="test")
        return _received(answer, self.json)


def _signature(segments: list[GoldenSegment]) -> dict[str, str]:
    signature: dict[str, str] = {}
    for segment in reversed(segments):
        for name in segment.index.column_names:
            if name not in signature:
                kind = segment.index.column_type(name)
                signature[name] = "LONG" if name == "__time" else str(kind)
    return signature


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _until_cut(answer: StreamingResponse) -> bytes:
    """What arrives before a failure cuts the connection."""
    pieces = bytearray()
    try:
        for piece in answer.iterator:  # type: ignore[union-attr]
            pieces += piece
    except DruidException:
        pieces += b"(cut)"
    return bytes(pieces)


def _received(answer: Response | StreamingResponse, converter: Json) -> tuple[int, str, dict[str, str], str]:
    headers = dict(answer.headers)
    headers["Content-Type"] = answer.media_type or "application/json"
    if isinstance(answer, StreamingResponse):
        body = _until_cut(answer)
    elif answer.body is not None:
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
    else:
        body = converter.dumps(answer.json) if answer.json is not None else b""
    return answer.status, headers["Content-Type"], headers, body.decode()
