"""Tasks whose rows can be counted: what a fault must neither lose nor double."""

import time
import urllib.error
import urllib.parse

from attrs import define, field
from tests.servers.http_files import HttpFiles

ROWS = 40
"""In each part."""
_DAYS = 2


class InputServer:
    """Serves parts of tasks' input as lines of JSON, each after the delay that its URL asks for."""

    def __init__(self):
        self._files = HttpFiles(self._part)

    def _part(self, path):
        wanted = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
        time.sleep(float(wanted["delay"]))
        return "".join(_rows(wanted["task"], int(wanted["part"]))).encode()

    def uri(self, task, part, delay):
        query = urllib.parse.urlencode({"task": task, "part": part, "delay": f"{delay:.2f}"})
        return self._files.url(f"rows.json?{query}")

    def close(self):
        self._files.close()


def _rows(task, part):
    for row in range(ROWS):
        n = part * ROWS + row
        yield f'{{"ts":"2024-01-0{1 + n % _DAYS}T00:00:00Z","task":"{task}","n":{n}}}\n'


@define(kw_only=True)
class Job:
    """One task: its id, what it writes, and how it has ended."""

    id: str
    data_source: str | None = None
    """None for one that writes nothing."""
    parts: int = 0
    spec: dict = field(factory=dict, repr=False)
    status: str | None = None
    error: str | None = None

    @property
    def expected(self):
        """Count and sum of its rows if it succeeds."""
        count = self.parts * ROWS
        return {"c": count, "s": count * (count - 1) // 2}

    def submit(self, api):
        """As a client with patience does: that the id is there already means that it was taken the first time."""
        try:
            api.submit(self.spec)
        except urllib.error.HTTPError as error:
            if error.code == 400 and "already exists" in str(error):
                return True
            raise
        return True


def noop(job_id, run_time):
    return Job(id=job_id, spec={"type": "noop", "id": job_id, "dataSource": "noops", "runTime": run_time})


def index_parallel(job_id, data_source, uris, *, append=False, sub_tasks=2):
    """An ingestion of the parts at these URIs, over sub tasks unless `sub_tasks` is 1."""
    spec = {
        "type": "index_parallel",
        "id": job_id,
        "spec": {
            "dataSchema": {
                "dataSource": data_source,
                "timestampSpec": {"column": "ts", "format": "iso"},
                "dimensionsSpec": {"dimensions": ["task", {"type": "long", "name": "n"}]},
                "granularitySpec": {"segmentGranularity": "DAY", "intervals": [f"2024-01-01/2024-01-0{1 + _DAYS}"]},
            },
            "ioConfig": {
                "type": "index_parallel",
                "inputSource": {"type": "http", "uris": list(uris)},
                "inputFormat": {"type": "json"},
                "appendToExisting": append,
            },
            "tuningConfig": {
                "type": "index_parallel",
                "maxNumConcurrentSubTasks": sub_tasks,
                "splitHintSpec": {"type": "maxSize", "maxNumFiles": 1},
                "taskStatusCheckPeriodMs": 200,
                "chatHandlerTimeout": "PT5S",
            },
        },
    }
    return Job(id=job_id, data_source=data_source, parts=len(uris), spec=spec)


def make_jobs(rng, name, inputs):
    """What is submitted in one run: two ingestions over sub tasks, one that appends, one in one process, one noop."""

    def uris(task, parts):
        return [inputs.uri(task, part, rng.uniform(0.1, 1.5)) for part in range(parts)]

    jobs = [
        index_parallel(f"{name}_a", f"{name}_a", uris(f"{name}_a", 2)),
        index_parallel(f"{name}_b", f"{name}_b", uris(f"{name}_b", 3)),
        index_parallel(f"{name}_c", "appended", uris(f"{name}_c", 2), append=True),
        index_parallel(f"{name}_d", f"{name}_d", uris(f"{name}_d", 1), sub_tasks=1),
        noop(f"{name}_e", rng.randrange(10, 3000)),
    ]
    rng.shuffle(jobs)
    return jobs
