"""The query engine in this process, over opened segments: no HTTP, and SQL only where it is asked for."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nemeton.common.clock import SystemClock
from nemeton.dataserver.config import DruidProcessingConfig
from nemeton.http.auth import AllowAllAuthorizer, AuthChain
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.query.kernels import compiled_kernels
from nemeton.segment.cache import DecodedColumnCache
from nemeton.segment.index import QueryableIndex
from nemeton.spi.auth import AuthenticationResult
from nemeton.spi.query import Query
from nemeton.sql.engine import SqlEngine
from nemeton.sql.module import function_table
from nemeton.sql.schemas import CatalogSource
from nemeton.time import Interval

#: As a data server has.
CACHE_BYTES = int(DruidProcessingConfig().decoded_column_cache_bytes)
_EVERYBODY = AuthenticationResult("all", "allowAll")


class LocalEngine:
    """The segments of one data source and the threads that read them. Also the SQL layer's schema and executor."""

    def __init__(self, folder: Path, name: str = "lineitem", threads: int = 2) -> None:
        """`folder` holds a folder `interval/version/partition/index` for each segment, as deep storage does."""
        compiled_kernels.load()
        DecodedColumnCache.shared().resize(CACHE_BYTES)
        extensions = load_extensions({}, ["nemeton.query.extension", "nemeton.sql.extension"], installed={})
        self.name = name
        self.json = Json(extensions.registry)
        self.engine = QueryEngine()
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.segments = [
            (_interval(found.parents[2].name), QueryableIndex.open(found)) for found in _folders(folder, name)
        ]
        source = CatalogSource(self, self, self, AuthChain(authorizers={"allowAll": AllowAllAuthorizer()}))
        self.sql = SqlEngine(self, source, function_table(extensions), self.json, SystemClock())

    def rows(self, sql: str, context: Mapping[str, Any]) -> list[list[Any]]:
        """The answer of a SQL statement."""
        return list(self.sql.execute(sql, context, identity=_EVERYBODY).json_rows())

    def native(self, sql: str, context: Mapping[str, Any]) -> Any:
        """The native query of a statement, read already."""
        explained = self.sql.execute(f"EXPLAIN PLAN FOR {sql}", context, identity=_EVERYBODY)
        ((plan, _, _),) = explained.rows
        return self.json.structure(json.loads(plan)[0]["query"], Query)

    def run(self, query: Any) -> list[Any]:
        """The result objects of a native query."""
        return list(self.engine.execute(query, self._run_tables))

    def _run_tables(self, query: Any) -> Any:
        futures = [
            self.pool.submit(self.engine.run_segment, query, segment, segment_id=str(interval), interval=interval)
            for interval, segment in self.segments
            if query.intervals.clip(interval)
        ]
        return self.engine.merge(query, [future.result() for future in futures])

    # ---- what SQL asks for

    def execute(self, query: Any, identity: Any) -> Iterable[Any]:
        """`NativeQueryExecutor`."""
        return iter(self.run(query))

    def cancel(self, query_id: str) -> None:
        """Nothing is cancelled here."""

    def row_signatures(self) -> Mapping[str, Mapping[str, str]]:
        """The columns of the first segment."""
        first = self.segments[0][1]
        return {self.name: {name: str(first.column_type(name)) for name in first.column_names}}

    def lookups(self) -> Mapping[str, Mapping[str, str | None]]:
        """None."""
        return {}

    def servers(self, identity: Any) -> Iterable[Mapping[str, Any]]:
        """None."""
        return []

    segments_table = server_segments = tasks = supervisors = servers


def _folders(folder: Path, name: str) -> list[Path]:
    return sorted(found.parent for found in (folder / name).rglob("version.bin"))


def _interval(text: str) -> Interval:
    """Of a folder's name, in which some storages write the colons as underscores."""
    start, end = text.split("_") if text.count("_") == 1 else (text[: len(text) // 2], text[len(text) // 2 + 1 :])
    return Interval.parse(f"{start.replace('_', ':')}/{end.replace('_', ':')}")
