"""Kill -9 of the whole process: what is published counts once, the rest runs again, no orphan acts, no lock stays."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from nemeton.http.client import HttpClient, HttpClientError

ROOT = Path(__file__).parents[3]
API = "/druid/indexer/v1"


def wait_for(condition, timeout=40.0):
    waiting = threading.Event()
    for _ in range(int(timeout / 0.02)):
        found = condition()
        if found:
            return found
        waiting.wait(0.02)
    raise AssertionError("it did not happen")


class Cluster:
    def __init__(self, base):
        self.base = base
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            self.port = probe.getsockname()[1]
        self.http = HttpClient()
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.indexing.overlord_process", str(self.base), str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout.readline() == b"started\n"
        wait_for(self.leads)

    def leads(self):
        try:
            return self.call("GET", f"{API}/isLeader").status == 200
        except HttpClientError:
            return False

    def call(self, method, path, json=None):
        return self.http.request(method, f"http://localhost:{self.port}{path}", json=json)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def status(self, task_id):
        return self.call("GET", f"{API}/task/{task_id}/status").json()["status"]

    def end_of(self, task_id):
        return wait_for(lambda: (s := self.status(task_id))["status"] != "RUNNING" and s)

    def rows(self, query):
        with sqlite3.connect(self.base / "metadata.db") as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    made.start()
    yield made
    made.kill()


def noted(path, count=1):
    return wait_for(lambda: path.exists() and len(lines := path.read_text().splitlines()) >= count and lines)


def test_a_task_that_had_not_published_runs_again_under_its_id(cluster, tmp_path):
    note = tmp_path / "note"
    cluster.call("POST", f"{API}/task", {"type": "testPublish", "id": "a", "file": str(note), "lingerBeforeS": 3})
    pid = int(noted(note)[0].split()[0])
    (lock,) = cluster.rows("SELECT lock_payload FROM druid_taskLocks")
    cluster.kill()
    wait_for(lambda: not psutil.pid_exists(pid), timeout=5)
    cluster.start()
    assert cluster.end_of("a")["status"] == "SUCCESS"
    lines = note.read_text().splitlines()
    assert [line for line in lines if line.startswith("published")] == ["published True"]
    assert len(lines) == 3
    assert len(cluster.rows("SELECT id FROM druid_segments")) == 1
    ((version,),) = cluster.rows("SELECT version FROM druid_segments")
    assert version in lock[0].decode()  # the same lock, taken up again
    assert cluster.rows("SELECT * FROM druid_taskLocks") == []


def test_a_task_that_had_published_is_not_run_again(cluster, tmp_path):
    note = tmp_path / "note"
    cluster.call("POST", f"{API}/task", {"type": "testPublish", "id": "a", "file": str(note), "lingerAfterS": 60})
    noted(note, 2)
    assert cluster.status("a")["status"] == "RUNNING"
    cluster.kill()
    cluster.start()
    assert cluster.end_of("a")["status"] == "SUCCESS"
    assert len(note.read_text().splitlines()) == 2
    assert len(cluster.rows("SELECT id FROM druid_segments")) == 1
    assert cluster.rows("SELECT * FROM druid_taskLocks") == []
    assert list((tmp_path / "tasks").glob("slot*/*")) == []
    assert "Running task [a]" in cluster.call("GET", f"{API}/task/a/log").text


def test_a_peon_killed_after_its_publish_is_a_success(cluster, tmp_path):
    note = tmp_path / "note"
    cluster.call("POST", f"{API}/task", {"type": "testPublish", "id": "a", "file": str(note), "lingerAfterS": 60})
    pid = int(noted(note, 2)[0].split()[0])
    os.kill(pid, signal.SIGKILL)
    assert cluster.end_of("a")["status"] == "SUCCESS"
    assert cluster.rows("SELECT * FROM druid_taskLocks") == []


def test_a_peon_killed_before_its_publish_fails(cluster, tmp_path):
    note = tmp_path / "note"
    cluster.call("POST", f"{API}/task", {"type": "testPublish", "id": "a", "file": str(note), "lingerBeforeS": 60})
    pid = int(noted(note)[0].split()[0])
    os.kill(pid, signal.SIGKILL)
    assert "code[137]" in cluster.end_of("a")["errorMsg"]
    assert cluster.rows("SELECT * FROM druid_segments") == []
    assert cluster.rows("SELECT * FROM druid_taskLocks") == []
