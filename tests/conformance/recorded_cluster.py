"""A cluster with the segments and tasks that Druid's cluster had when its API was recorded."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from tests.conformance.recordings import Answer, Recording
from tests.scenarios.cluster import NEMETON, QuickstartProcess

from nemeton.segment.column_data import LongData, StringData
from nemeton.segment.writer import write_segment
from nemeton.time import Interval

SHIFTS = {
    "router": 0,
    "coordinator": 8081 - 8888,
    "broker": 8082 - 8888,
    "historical": 8083 - 8888,
    "overlord": 8090 - 8888,
}
ROWS = [{"ts": f"2024-01-0{day}T00:00:00Z", "page": f"p{n}", "user": "u", "n": n} for day in (1, 2) for n in range(4)]


class RecordedCluster(QuickstartProcess):
    """The cluster, and servers of input that tasks have to wait for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "-D", "druid.worker.capacity=7")
        self._inputs: list[SlowInput] = []

    def slow_input(self) -> SlowInput:
        self._inputs.append(SlowInput())
        return self._inputs[-1]

    def release(self) -> None:
        """Let the tasks have their input."""
        for each in self._inputs:
            each.released.set()

    def stop(self) -> None:
        for each in self._inputs:
            each.close()
        super().stop()

    def port_of(self, service: str, path: str) -> int:
        """The port of a recorded service: its Coordinator was the Overlord too."""
        if service == "coordinator-overlord":
            service = "overlord" if path.startswith("/druid/indexer/") else "coordinator"
        return self.port + SHIFTS[service]

    def replay(self, recording: Recording) -> Answer:
        """Send a recorded request to the role that it was sent to."""
        entry = recording.entry
        path = entry["path"].replace("localhost:28083", f"localhost:{self.port + SHIFTS['historical']}")
        headers = {"Accept": "*/*", **entry.get("headers", {})}
        url = f"http://localhost:{self.port_of(entry['service'], path)}{path}"
        body = recording.payload
        if body is not None:
            body = body.replace(b'"runTime": 1500', b'"runTime": 60000')  # Druid's took longer to start
        request = urllib.request.Request(url, body, headers, method=entry["method"])
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers.get("Content-Type"), answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers.get("Content-Type"), error.read().decode())

    def insert(self, segments: list[dict[str, Any]]) -> None:
        """Register segments with the descriptors given, each of one row, and wait until they are served."""
        folder = self.folder / f"segments-{len(list(self.folder.iterdir()))}"
        for number, descriptor in enumerate(segments):
            _write(folder / str(number), descriptor)
        subprocess.run(
            [NEMETON, "tools", "insert-segments", str(folder), "--data-dir", str(self.folder / "data")], check=True
        )
        names = {segment["dataSource"] for segment in segments}
        coordinator = f"http://localhost:{self.port + SHIFTS['coordinator']}/druid/coordinator/v1"
        urllib.request.urlopen(
            f"{coordinator}/datasources/{min(names)}/loadstatus?forceMetadataRefresh=true", timeout=30
        ).close()

        def served() -> bool:
            with urllib.request.urlopen(f"{coordinator}/loadstatus", timeout=30) as answer:
                status = json.load(answer)
            return all(status.get(name) == 100.0 for name in names)

        self.wait_for(served)
        sql_names = ", ".join(f"'{name}'" for name in names)
        query = f"SELECT COUNT(*) AS c FROM sys.segments WHERE is_available = 1 AND datasource IN ({sql_names})"
        self.wait_for(lambda: self.sql(query)[0]["c"] == len(segments))

    def ingest(self, task_id: str, data_source: str, source: dict[str, Any], **tuning: Any) -> None:
        """Submit a task that reads lines of JSON."""
        self.submit(
            {
                "type": "index_parallel",
                "id": task_id,
                "spec": {
                    "dataSchema": {
                        "dataSource": data_source,
                        "timestampSpec": {"column": "ts", "format": "iso"},
                        "dimensionsSpec": {"dimensions": ["page", "user", {"type": "long", "name": "n"}]},
                        "granularitySpec": {"segmentGranularity": "DAY", "intervals": ["2024-01-01/2024-01-03"]},
                    },
                    "ioConfig": {"type": "index_parallel", "inputSource": source, "inputFormat": {"type": "json"}},
                    "tuningConfig": {"type": "index_parallel", **tuning},
                },
            }
        )

    def wait_until(self, task_id: str, *states: str) -> None:
        self.wait_for(lambda: self.status(task_id)["statusCode"] in states)

    def wait_until_at_work(self, task_id: str) -> None:
        """Until the peon runs and has a log."""
        self.wait_for(lambda: self.status(task_id)["location"]["host"])
        self.wait_for(lambda: urllib.request.urlopen(f"{self.url}/druid/indexer/v1/task/{task_id}/log", timeout=30))

    def reports(self, task_id: str) -> Any:
        return self.get(f"/druid/indexer/v1/task/{task_id}/reports")


class SlowInput:
    """Serves lines of JSON over HTTP once they are released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.released.wait(120)
                body = "\n".join(map(json.dumps, ROWS)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def source(self) -> dict[str, Any]:
        return {"type": "http", "uris": [f"http://127.0.0.1:{self._server.server_port}/rows.json"]}

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


def _write(folder: Path, descriptor: dict[str, Any]) -> None:
    interval = Interval.parse(descriptor["interval"])
    write_segment(
        folder / "index",
        interval=interval,
        columns=[
            LongData("__time", np.array([interval.start])),
            StringData("page", ["p"], np.zeros(1, np.uint8)),
            StringData("user", ["u"], np.zeros(1, np.uint8)),
            LongData("n", np.zeros(1, np.int64)),
        ],
        dimensions=["page", "user", "n"],
        metrics=[],
    )
    load_spec = {"type": "local", "path": str(folder / "index")}
    (folder / "descriptor.json").write_text(json.dumps({**descriptor, "loadSpec": load_spec}))
