"""The two sides of a comparison, each a whole cluster that can be started, asked and stopped."""

from __future__ import annotations

import abc
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import psutil

S = TypeVar("S", bound="Side")

REPO = Path(__file__).resolve().parent.parent
REAL_DRUID = REPO / "tests" / "interop" / "real_druid" / "real_druid.py"
NEMETON = str(Path(sys.executable).parent / "nemeton")
JAVA_ROLES = ("coordinator", "broker", "historical", "middleManager", "router")
PORTS = {
    "coordinator": 8081,
    "broker": 8082,
    "historical": 8083,
    "overlord": 8090,
    "middleManager": 8091,
    "router": 8888,
}


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Let it end; kill it when it does not."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


def write_properties(folder: Path, properties: dict[str, str]) -> None:
    """Make the folder a configuration folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runtime.properties").write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


class Side(abc.ABC):
    """One cluster. `offset` is added to every port, `var` holds all that it stores."""

    name = "?"
    health_roles: tuple[str, ...] = ()

    def __init__(self, var: Path, offset: int) -> None:
        self.var = var
        self.offset = offset

    @property
    def router(self) -> str:
        return f"http://localhost:{PORTS['router'] + self.offset}"

    @abc.abstractmethod
    def start(self) -> None:
        """Start it; it need not be up yet."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Stop it."""

    @abc.abstractmethod
    def roots(self) -> list[psutil.Process]:
        """The processes of the cluster, whose children count too."""

    def memory(self) -> int:
        """Sum of PSS over all processes, in bytes."""
        total = 0
        for root in self.roots():
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += process.memory_full_info().pss
        return total

    def get(self, path: str, role: str | None = None) -> Any:
        base = self.router if role is None else f"http://localhost:{PORTS[role] + self.offset}"
        with urllib.request.urlopen(base + path, timeout=60) as answer:
            body = answer.read()
        try:
            return json.loads(body)
        except ValueError:
            return body.decode()

    def post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(
            self.router + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)

    def sql(self, query: str) -> Any:
        return self.post("/druid/v2/sql", {"query": query})

    def is_up(self) -> bool:
        """All roles healthy, both leaders known, `SELECT 1` answered, all but health through the Router."""
        try:
            return (
                all(self.get("/status/health", role) is True for role in self.health_roles)
                and bool(self.get("/druid/coordinator/v1/leader"))
                and bool(self.get("/druid/indexer/v1/leader"))
                and len(self.sql("SELECT 1")) == 1
            )
        except (OSError, ValueError):
            return False

    def wait_until(self, done: Any, what: str, limit_s: float = 600.0, pace_s: float = 0.02) -> float:
        began = time.monotonic()
        while not done():
            if time.monotonic() - began > limit_s:
                raise TimeoutError(f"{self.name}: {what} took more than {limit_s:.0f} s; see {self.var}")
            time.sleep(pace_s)
        return time.monotonic() - began

    def run_task(self, task: dict[str, Any]) -> float:
        """Submit and wait for SUCCESS; seconds from the submission on."""
        began = time.monotonic()
        task_id = self.post("/druid/indexer/v1/task", task)["task"]

        def ended() -> bool:
            try:
                status = self.get(f"/druid/indexer/v1/task/{task_id}/status")["status"]
            except urllib.error.HTTPError:
                return False
            if status["statusCode"] == "FAILED":
                raise RuntimeError(f"{self.name}: {status['errorMsg']}")
            return status["statusCode"] == "SUCCESS"

        self.wait_until(ended, f"task {task_id}")
        return time.monotonic() - began

    def wait_for_rows(self, source: str, rows: int) -> None:
        def loaded() -> bool:
            try:
                return self.sql(f'SELECT COUNT(*) AS n FROM "{source}"')[0]["n"] == rows
            except (OSError, IndexError, KeyError):
                return False

        self.wait_until(loaded, f"loading of {source}", pace_s=0.2)

    @contextlib.contextmanager
    def running(self) -> Iterator[Side]:
        try:
            self.start()
            self.wait_until(self.is_up, "start-up")
            yield self
        finally:
            self.stop()


class Nemeton(Side):
    name = "nemeton"
    health_roles = ("coordinator", "overlord", "historical", "broker", "router")
    properties: ClassVar[Mapping[str, object]] = {}

    def start(self) -> None:
        self.var.mkdir(parents=True, exist_ok=True)
        self._log = (self.var / "log").open("ab")
        command = [NEMETON, "quickstart", "--no-sample", "--data-dir", str(self.var / "data")]
        command += ["--port", str(PORTS["router"] + self.offset)]
        for name, value in self.properties.items():
            command += ["-D", f"{name}={value}"]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, cwd=self.var)

    def stop(self) -> None:
        end_process(self._process)
        self._log.close()

    def is_up(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"nemeton ended with status {self._process.returncode}; see {self.var / 'log'}")
        return super().is_up()

    def roots(self) -> list[psutil.Process]:
        return [psutil.Process(self._process.pid)]


class Druid(Side):
    """Apache Druid 33: coordinator with overlord, broker, historical, middleManager, router; ZooKeeper runs before."""

    name = "Druid 33"
    health_roles = JAVA_ROLES

    def _call(self, *words: str) -> subprocess.Popen[bytes]:
        self.var.mkdir(parents=True, exist_ok=True)
        with (self.var / "calls").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(REAL_DRUID), "--var", str(self.var), "--offset", str(self.offset), *words],
                stdout=log, stderr=log,
            )  # fmt: skip

    def prepare(self) -> None:
        """ZooKeeper is no part of what is measured."""
        if self._call("up", "zk").wait(300) != 0:
            raise RuntimeError(f"ZooKeeper did not start; see {self.var / 'calls'}")

    def start(self) -> None:
        self.prepare()
        # all at once, as nemeton does: the fastest way that a machine can bring Druid up
        self._starting = [self._call("up", role) for role in JAVA_ROLES]

    def stop(self) -> None:
        for call in self._starting:
            if call.poll() is None:
                call.wait(200)
        self._call("down").wait(300)

    def roots(self) -> list[psutil.Process]:
        folder = self.var / "pid"
        return [psutil.Process(int(file.read_text())) for file in folder.iterdir() if file.name != "zk"]


def fresh(kind: type[S], base: Path, offset: int) -> S:
    """A cluster of that kind with nothing stored."""
    folder = base / kind.__name__.lower()
    shutil.rmtree(folder, ignore_errors=True)
    return kind(folder, offset)


def sides(base: Path) -> tuple[Side, Side]:
    return fresh(Nemeton, base, 10_000), fresh(Druid, base, 20_000)


def work_folder() -> Path:
    return Path(os.environ.get("NEMETON_BENCH_DIR", REPO / "var" / "benchmarks"))
