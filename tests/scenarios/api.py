"""Druid's API as the scenarios use it."""

import abc
import contextlib
import io
import json
import time
import urllib.error
import urllib.request
from typing import ClassVar

import psutil

NOT_YET = (OSError, urllib.error.HTTPError, ValueError, KeyError)
"""What a service that is not up, or does not lead yet, makes a caller see."""
_TIMEOUT_S = 30


class Api(abc.ABC):
    """Requests to whatever is at `url`; `headers` go with each. Redirects are followed, with their bodies."""

    headers: ClassVar[dict[str, str]] = {}

    @property
    @abc.abstractmethod
    def url(self):
        """``http://host:port``"""

    @abc.abstractmethod
    def check(self):
        """Raise AssertionError when it makes no sense to wait any longer; return what an operator would look at."""

    def request(self, method, path, body=None, headers=None):
        """The answer's JSON, None for an empty one. An error status is an HTTPError; its text shows the body."""
        data = None if body is None else json.dumps(body).encode()
        wanted = {"Content-Type": "application/json", **self.headers, **(headers or {})}
        url = self.url + path
        for _ in range(5):
            request = urllib.request.Request(url, data, wanted, method=method)
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                    text = answer.read()
                return json.loads(text) if text.strip() else None
            except urllib.error.HTTPError as failure:
                if failure.code not in (307, 308):
                    text = failure.read()
                    said = f"{failure.msg}: {text.decode(errors='replace')[:500]}"
                    raise urllib.error.HTTPError(
                        url, failure.code, said, failure.headers, io.BytesIO(text)
                    ) from failure
                url = failure.headers["Location"]
        raise OSError(f"{method} {path}: redirected again and again, last to {url}")

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body=None):
        return self.request("POST", path, {} if body is None else body)

    def sql(self, query):
        return self.post("/druid/v2/sql", {"query": query})

    def submit(self, task):
        return self.post("/druid/indexer/v1/task", task)["task"]

    def status(self, task_id):
        return self.get(f"/druid/indexer/v1/task/{task_id}/status")["status"]

    def wait_for(self, done, limit_s=60):
        """Wait until `done` gives something true; connections refused and error answers count as not yet."""
        deadline = time.monotonic() + limit_s
        last = None
        while True:
            try:
                if result := done():
                    return result
            except NOT_YET as error:
                last = error
            shown = self.check()
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {limit_s} s: {done}; last: {last!r}\n{shown}")
            time.sleep(0.05)

    def wait_for_task(self, task_id, limit_s=120):
        """Wait for the task's end; its status."""
        return self.wait_for(lambda: (status := self.status(task_id))["statusCode"] != "RUNNING" and status, limit_s)


def peons_of(pid):
    """The processes that run tasks for a worker: what it forked, directly or through its template."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            is_template = "nemeton.indexing.worker.template" in child.cmdline()
            found += child.children() if is_template else [child]
    return found
