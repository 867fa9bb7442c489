"""The quickstart's sample: the flights that left New York City in January 2013."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import click

from nemeton.cli.api import RouterApi

DATA_SOURCE = "flights"
ROWS = 27_004
_FILE = "flights-2013-01.csv.gz"
_STRINGS = ("carrier", "tailnum", "origin", "dest")
_LONGS = ("dep_time", "sched_dep_time", "arr_time", "sched_arr_time", "flight", "distance")
_DOUBLES = ("dep_delay", "arr_delay", "air_time")
_LIMIT_S = 300.0
_POLL_S = 0.1

QUERIES = (
    (
        "How many flights, and from when to when?",
        "SELECT COUNT(*) AS flights, MIN(__time) AS first_flight, MAX(__time) AS last_flight FROM flights",
    ),
    (
        "Which airlines are the latest?",
        "SELECT carrier, COUNT(*) AS flights, ROUND(AVG(arr_delay), 1) AS minutes_late FROM flights "
        "WHERE arr_delay IS NOT NULL GROUP BY carrier ORDER BY minutes_late DESC LIMIT 5",
    ),
    (
        "How do the weeks differ, for each airport?",
        "SELECT TIME_FLOOR(__time, 'P1W') AS week, origin, COUNT(*) AS flights, MAX(dep_delay) AS longest_delay "
        "FROM flights GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 9",
    ),
)
"""What the quickstart asks: a question and its SQL."""


@contextmanager
def sample_folder() -> Iterator[Path]:
    """The folder of the shipped file, unpacked for as long as needed where the package is in an archive."""
    with resources.as_file(resources.files("nemeton.cli").joinpath("data").joinpath(_FILE)) as file:
        yield file.parent


def ingestion_task(folder: Path) -> dict[str, Any]:
    """The ``index_parallel`` task that ingests the sample."""
    dimensions: list[Any] = list(_STRINGS)
    dimensions += [{"type": "long", "name": name} for name in _LONGS]
    dimensions += [{"type": "double", "name": name} for name in _DOUBLES]
    return {
        "type": "index_parallel",
        "spec": {
            "dataSchema": {
                "dataSource": DATA_SOURCE,
                "timestampSpec": {"column": "time_hour", "format": "iso"},
                "dimensionsSpec": {"dimensions": dimensions},
                "metricsSpec": [],
                "granularitySpec": {"segmentGranularity": "MONTH", "queryGranularity": "NONE", "rollup": False},
            },
            "ioConfig": {
                "type": "index_parallel",
                "inputSource": {"type": "local", "baseDir": str(folder), "filter": _FILE},
                "inputFormat": {"type": "csv", "findColumnsFromHeader": True},
            },
            "tuningConfig": {"type": "index_parallel"},
        },
    }


class SampleLoader:
    """Brings the sample in through a real task, once; `say` is told what goes on."""

    def __init__(self, api: RouterApi, say: Callable[[str], None]) -> None:
        self._api = api
        self._say = say

    def load(self) -> None:
        """Ingest unless it is there, and wait until it can be queried. Raises click.ClickException on failure."""
        if self._api.get(f"/druid/coordinator/v1/metadata/datasources/{DATA_SOURCE}") is None:
            self._ingest()
        else:
            self._say("The sample is here already")
        self._wait_until_queryable()

    def _ingest(self) -> None:
        running = self._api.get(f"/druid/indexer/v1/tasks?state=running&datasource={DATA_SOURCE}") or []
        with sample_folder() as folder:
            if running:
                task_id = running[0]["id"]
            else:
                task_id = self._api.post("/druid/indexer/v1/task", ingestion_task(folder))["task"]
            self._watch(task_id)

    def _watch(self, task_id: str) -> None:
        for elapsed in _moments(f"task {task_id} to end"):
            status = self._api.get(f"/druid/indexer/v1/task/{task_id}/status")["status"]
            self._say(f"Task {task_id}: {status['runnerStatusCode'] or status['statusCode']} for {elapsed:.1f} s")
            if status["statusCode"] == "SUCCESS":
                return
            if status["statusCode"] == "FAILED":
                raise click.ClickException(
                    f"Task {task_id} failed: {status['errorMsg']}\n"
                    f"Its log: {self._api.url}/druid/indexer/v1/task/{task_id}/log"
                )

    def _wait_until_queryable(self) -> None:
        for elapsed in _moments("the segments to be queryable"):
            self._say(f"Segments are being loaded, {elapsed:.1f} s")
            found = self._api.sql(
                "SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'druid' AND TABLE_NAME = 'flights'"
            )
            if found[1:] == [[1]]:
                return


def _moments(what: str) -> Iterator[float]:
    """Seconds since the first look, at a pace that a person can watch. Raises when the limit is reached."""
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < _LIMIT_S:
        yield elapsed
        time.sleep(_POLL_S)
    raise click.ClickException(f"Gave up waiting for {what} after {_LIMIT_S:.0f} s; the logs of this process say more")
