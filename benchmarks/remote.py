"""Clusters of ZooKeeper, a Coordinator with Overlord, and a MiddleManager, for `noop-remote`."""

from __future__ import annotations

import abc
import subprocess
import sys
from pathlib import Path

import psutil
from tests.servers.process import die_with_parent
from tests.servers.zookeeper import ZooKeeperServer

from benchmarks.sides import NEMETON, PORTS, REAL_DRUID, Side, end_process, fresh, write_properties


class RemoteSide(Side):
    """Requests go to the Overlord. `protocol` is its runner's type; ZooKeeper is the same server on both sides."""

    protocol = "httpRemote"
    overlord_role = "overlord"

    @property
    def router(self) -> str:
        return f"http://localhost:{PORTS[self.overlord_role] + self.offset}"

    @property
    def runner_properties(self) -> dict[str, str]:
        return {
            "druid.indexer.runner.type": self.protocol,
            "druid.indexer.queue.startDelay": "PT2S",
            "druid.worker.capacity": "2",
        }

    def start(self) -> None:
        self.var.mkdir(parents=True, exist_ok=True)
        self.zookeeper = ZooKeeperServer()
        self.zookeeper.start()
        self.launch()

    @abc.abstractmethod
    def launch(self) -> None:
        """Start all but ZooKeeper."""

    @abc.abstractmethod
    def end(self) -> None:
        """Stop all but ZooKeeper."""

    def stop(self) -> None:
        try:
            self.end()
        finally:
            self.zookeeper.close()

    def is_up(self) -> bool:
        """An Overlord leads, and has a worker."""
        try:
            return bool(self.get("/druid/indexer/v1/leader")) and len(self.get("/druid/indexer/v1/workers")) == 1
        except (OSError, ValueError):
            return False


class NemetonRemote(RemoteSide):
    name = "nemeton"

    def launch(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        common = {
            "druid.host": "localhost",
            "druid.extensions.loadList": "[]",
            "druid.discovery.type": "curator",
            "druid.coordinator.selector.type": "curator",
            "druid.indexer.selector.type": "curator",
            "druid.zk.service.host": self.zookeeper.connect_string,
            "druid.metadata.storage.connector.connectURI": f"sqlite:///{self.var}/metadata.db",
            "druid.storage.storageDirectory": str(self.var / "segments"),
            "druid.indexer.logs.directory": str(self.var / "logs"),
            "druid.indexer.task.baseTaskDir": str(self.var / "task"),
            "druid.indexer.runner.startPort": str(8100 + self.offset),
        }
        for roles in (("coordinator", "overlord"), ("middleManager",)):
            own = self.runner_properties if "overlord" in roles else {"druid.worker.capacity": "2"}
            confs = [f"--conf={self._configure(role, {**common, **own})}" for role in roles]
            with (self.var / f"{roles[-1]}.log").open("ab") as log:
                process = subprocess.Popen(
                    [NEMETON, "server", *roles, *confs],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.var, preexec_fn=die_with_parent,
                )  # fmt: skip
            self._processes.append(process)

    def _configure(self, role: str, properties: dict[str, str]) -> Path:
        folder = self.var / "conf" / role
        write_properties(folder, {**properties, "druid.plaintextPort": str(PORTS[role] + self.offset)})
        return folder

    def end(self) -> None:
        for process in reversed(self._processes):
            end_process(process)

    def roots(self) -> list[psutil.Process]:
        return [psutil.Process(process.pid) for process in self._processes]


class DruidRemote(RemoteSide):
    name = "Druid 33"
    overlord_role = "coordinator"

    def _call(self, *words: str) -> subprocess.Popen[bytes]:
        props = [word for name, value in self.runner_properties.items() for word in ("--prop", f"{name}={value}")]
        with (self.var / "calls").open("ab") as log:
            return subprocess.Popen(
                [
                    sys.executable, str(REAL_DRUID), "--var", str(self.var), "--offset", str(self.offset),
                    "--zk", self.zookeeper.connect_string, *props, *words,
                ],
                stdout=log, stderr=log,
            )  # fmt: skip

    def launch(self) -> None:
        self._starting = [self._call("up", role) for role in ("coordinator", "middleManager")]

    def end(self) -> None:
        for call in self._starting:
            call.wait(200)
        self._call("down").wait(300)

    def roots(self) -> list[psutil.Process]:
        return [psutil.Process(int(file.read_text())) for file in (self.var / "pid").iterdir()]


def remote_sides(base: Path, protocol: str) -> tuple[Side, Side]:
    """Both sides with nothing stored."""
    made = fresh(NemetonRemote, base, 11_000), fresh(DruidRemote, base, 21_000)
    for side in made:
        side.protocol = protocol
    return made
