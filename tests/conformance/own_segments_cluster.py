"""A cluster that makes the golden data sources itself, from their specs, and the golden queries over them."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.conformance.golden_engine import GOLDEN, check
from tests.scenarios.cluster import QuickstartProcess

from nemeton.segment.index import QueryableIndex

SPECS = sorted(path.stem for path in (GOLDEN / "specs").glob("*.json"))
GROUPS = sorted(
    path.stem
    for path in (GOLDEN / "queries").glob("*.json")
    if path.stem.startswith(("native_", "variant_", "errors_native", "api_read"))
)
#: Records that may be answered differently, with the reason.
EXCEPTIONS: dict[str, str] = json.loads((Path(__file__).parent / "own_segments_exceptions.json").read_text())
_TABLE = re.compile(r"\b(?:flights|mixed)(?:_[a-z]+)*\b")
_LIMIT_S = 300


def data_source(spec: str) -> str:
    """``mixed.2`` → ``mixed``"""
    return spec.split(".")[0]


class OwnSegments(QuickstartProcess):
    """Runs specs, and is asked when what they made is served."""

    def __init__(self, folder: Path) -> None:
        extensions = 'druid.extensions.loadList=["druid-datasketches"]'
        super().__init__(folder, "-D", extensions, "-D", "druid.manager.lookups.period=1000")

    def ingest(self, specs: Iterable[str]) -> None:
        """Run the specs, those of one data source one after another; wait until all is served."""
        tasks: dict[str, str] = {}
        for spec in sorted(specs):
            name = data_source(spec)
            if name in tasks:
                self._succeeds(spec, tasks[name])
            text = (GOLDEN / "specs" / f"{spec}.json").read_text().replace("${DATA_DIR}", str(GOLDEN / "data"))
            tasks[name] = self.submit(json.loads(text))
        for name, task in tasks.items():
            self._succeeds(name, task)
        self.wait_for(lambda: self._is_served(set(tasks)), _LIMIT_S)

    def _succeeds(self, name: str, task: str) -> None:
        status = self.wait_for_task(task, _LIMIT_S)
        assert status["statusCode"] == "SUCCESS", f"{name}: {status}"

    def _is_served(self, names: set[str]) -> bool:
        """The Broker sees every segment of theirs."""
        for name in names:
            published = self.get(f"/druid/coordinator/v1/metadata/datasources/{name}/segments")
            query = {"queryType": "segmentMetadata", "dataSource": name, "analysisTypes": [], "merge": False}
            if {analysis["id"] for analysis in self.post("/druid/v2", query)} != set(published):
                return False
        return True

    def take_lookups(self) -> None:
        """Hand out the golden lookups, and wait until the Broker has them."""
        self.post("/druid/coordinator/v1/lookups/config", json.loads((GOLDEN / "lookups.json").read_text()))
        self.wait_for(self._has_lookups, _LIMIT_S)

    def _has_lookups(self) -> bool:
        query = "SELECT LOOKUP('alpha', 'low_code')"
        return list(self.sql(query)[0].values()) == ["A"]

    def segments(self, name: str) -> Iterator[tuple[dict[str, Any], QueryableIndex]]:
        """The published segments of a data source."""
        for segment in self.get(f"/druid/coordinator/v1/metadata/datasources/{name}/segments?full"):
            yield segment, QueryableIndex.open(Path(segment["loadSpec"]["path"]))

    def mistake(self, record: dict[str, Any]) -> str | None:
        """What is wrong with the answer to a record."""
        why: str | None = check.compare(record, *check.send(self.url, record), errors="code")
        return why


def golden_segments(name: str, scratch: Path) -> Iterator[tuple[dict[str, Any], QueryableIndex]]:
    """Those that Druid made."""
    for archive in sorted((GOLDEN / "segments" / name).glob("*/*/index.zip")):
        segment = json.loads((archive.parent / "descriptor.json").read_text())
        folder = scratch / f"{name}_{archive.parent.parent.name}_{archive.parent.name}"
        with zipfile.ZipFile(archive) as files:
            files.extractall(folder)
        yield segment, QueryableIndex.open(folder)


def records(group: str, data_sources: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """The records of a group; only those about these data sources, if some are given."""
    found: list[dict[str, Any]] = json.loads((GOLDEN / "queries" / f"{group}.json").read_text())
    if data_sources is None:
        return found
    there = set(data_sources)
    tables = [set(_TABLE.findall(json.dumps([record.get("request"), record["endpoint"]]))) for record in found]
    return [record for record, names in zip(found, tables, strict=True) if names and names <= there]
