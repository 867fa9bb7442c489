"""An Overlord alone in its process, ours or the real one, over a given ZooKeeper and PostgreSQL."""

from __future__ import annotations

import abc
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.servers.postgresql import PASSWORD, USER, PostgreSqlServer
from tests.servers.process import die_with_parent
from tests.servers.zookeeper import ZooKeeperServer

from benchmarks.sides import NEMETON, PORTS, REAL_DRUID, end_process, write_properties

_START_S = 180.0


class Overlord(abc.ABC):
    """One process. `properties` may be added to before `start`."""

    def __init__(
        self, folder: Path, port: int, zookeeper: ZooKeeperServer, postgresql: PostgreSqlServer, database: str
    ) -> None:
        self.folder = folder
        self.port = port
        self.pid = 0
        self.zk = zookeeper.connect_string
        self.properties = {
            "druid.metadata.storage.type": "postgresql",
            "druid.metadata.storage.connector.connectURI": postgresql.jdbc_url(database),
            "druid.metadata.storage.connector.user": USER,
            "druid.metadata.storage.connector.password": PASSWORD,
            "druid.indexer.queue.startDelay": "PT2S",
            "druid.indexer.storage.type": "metadata",
        }

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @abc.abstractmethod
    def start(self) -> None:
        """Start it, and return when it is healthy."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Stop it."""


class NemetonOverlord(Overlord):
    """`nemeton server overlord`."""

    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        conf = self.folder / "conf"
        properties = {
            "druid.host": "localhost",
            "druid.plaintextPort": str(self.port),
            "druid.extensions.loadList": json.dumps(["postgresql-metadata-storage"]),
            "druid.discovery.type": "curator",
            "druid.indexer.selector.type": "curator",
            "druid.zk.service.host": self.zk,
            "druid.zk.paths.base": "/druid",
            "druid.storage.storageDirectory": str(self.folder / "segments"),
            "druid.indexer.logs.directory": str(self.folder / "logs"),
            **self.properties,
        }
        write_properties(conf, properties)
        with (self.folder / "overlord.log").open("wb") as log:
            self._process = subprocess.Popen(
                [NEMETON, "server", "overlord", "--conf", str(conf)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, preexec_fn=die_with_parent,
            )  # fmt: skip
        self.pid = self._process.pid
        give_up = time.monotonic() + _START_S
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"The Overlord did not start; see {self.folder / 'overlord.log'}")
            time.sleep(0.05)

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/status/health", timeout=2) as answer:
                return bool(answer.read().strip() == b"true")
        except OSError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            end_process(self._process)


class DruidOverlord(Overlord):
    """The real one, with the heap that `real_druid.py` gives it."""

    def _call(self, *words: str) -> None:
        props = [word for name, value in self.properties.items() for word in ("--prop", f"{name}={value}")]
        offset = self.port - PORTS["overlord"]
        with (self.folder / "calls").open("ab") as log:
            subprocess.run(
                [
                    sys.executable, str(REAL_DRUID), "--var", str(self.folder / "druid"), "--offset", str(offset),
                    "--zk", self.zk, *props, *words,
                ],
                stdout=log, stderr=log, check=True, timeout=300,
            )  # fmt: skip

    def start(self) -> None:
        self._call("up", "overlord")
        self.pid = int((self.folder / "druid" / "pid" / "overlord").read_text())

    def stop(self) -> None:
        self._call("down")


OVERLORDS: dict[str, type[Overlord]] = {"nemeton": NemetonOverlord, "druid": DruidOverlord}
