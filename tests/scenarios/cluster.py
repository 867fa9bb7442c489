"""A whole cluster in a process of its own, that tests can kill."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from tests.scenarios.api import Api, peons_of
from tests.servers.ports import free_router_port

NEMETON = str(Path(sys.executable).parent / "nemeton")


class QuickstartProcess(Api):
    """`nemeton quickstart --no-sample` on free ports; killed and started again over one data folder.

    `env` is added to the process's environment, `headers` go with every request.
    """

    def __init__(self, folder: Path, *more: str, env=None, headers=None):
        self.folder = folder
        self.port = free_router_port()
        self.more = more
        self.env = {**os.environ, **(env or {})}
        self.headers = headers or {}
        self.process = None

    @property
    def url(self):
        return f"http://localhost:{self.port}"

    def start(self, limit_s=60, *, answering=True):
        """Start it, and unless told otherwise wait until it answers queries."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [
                    NEMETON, "quickstart", "--no-sample", "--data-dir", str(self.folder / "data"),
                    "--port", str(self.port), "-D", f"druid.indexer.runner.startPort={self.port + 10}", *self.more,
                ],
                stdout=output, stderr=output, cwd=self.folder, env=self.env,
            )  # fmt: skip
        if answering:
            self.wait_for(lambda: self.sql("SELECT 1"), limit_s)
        return self

    def kill(self, *, with_children=False):
        """Kill -9 of the process; its template and peons are left to find out, or killed in the same moment."""
        others = psutil.Process(self.process.pid).children(recursive=True) if with_children else []
        self.process.kill()
        for other in others:
            with contextlib.suppress(psutil.NoSuchProcess):
                other.kill()
        self.process.wait(10)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def templates(self):
        """Processes that peons are forked from."""
        return psutil.Process(self.process.pid).children()

    def peons(self):
        """Processes that run tasks: what the template forked."""
        return peons_of(self.process.pid)

    def check(self):
        tail = (self.folder / "output").read_text(errors="replace")[-4000:]
        assert self.process.poll() is None, f"it ended: {self.process.returncode}\n{tail}"
        return tail

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()
