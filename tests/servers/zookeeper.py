"""A ZooKeeper server for tests, from the jars that the real Druid's kit fetches."""

import os
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.servers.ports import free_port
from tests.servers.process import ServerMissingError, ServerProcess

TICK_MS = 100
"""ZooKeeper's unit of time: no session is shorter than two ticks, and sessions end on a tick."""
_ANSWER_S = 2.0


def class_path() -> str:
    """ZooKeeper's jars, which come with Kafka's."""
    home = Path(os.environ.get("REAL_DRUID_HOME", Path.home() / ".cache" / "real-druid"))
    if shutil.which("java") is None:
        raise ServerMissingError("[java] is not on the PATH")
    if not (home / "kafka" / "lib" / ".complete").exists():
        raise ServerMissingError(f"ZooKeeper's jars are not in [{home}]; run `make test-deps`")
    return str(home / "kafka" / "lib" / "*")


class ZooKeeperServer(ServerProcess):
    """A server that grants sessions from 0.2 s to 60 s, and looks for empty containers every second.

    It stands alone unless `settings` name others.
    """

    def __init__(self, port: int | None = None, **settings: object) -> None:
        self._class_path = class_path()
        super().__init__()
        self.port = port or self.port
        settings = {
            "tickTime": TICK_MS,
            "maxSessionTimeout": 60_000,
            "dataDir": self.data,
            "clientPort": self.port,
            "clientPortAddress": "127.0.0.1",
            "maxClientCnxns": 0,
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "*",
            **settings,
        }
        self.data.mkdir()
        self._config = self.folder / "zoo.cfg"
        self._config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def connect_string(self) -> str:
        """What clients take as ``druid.zk.service.host``."""
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """See the base class."""
        return [
            "java",
            "-Xmx96m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dznode.container.checkIntervalMs=1000",
            "-Dzookeeper.forceSync=no",
            "-cp",
            self._class_path,
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(self._config),
        ]

    def answers(self) -> bool:
        """Whether it serves requests."""
        try:
            return "Mode: " in self.ask("srvr")
        except OSError:
            return False

    def ask(self, words: str) -> str:
        """The answer to one of ZooKeeper's four-letter commands."""
        with socket.create_connection(("127.0.0.1", self.port), _ANSWER_S) as connection:
            connection.settimeout(_ANSWER_S)
            connection.sendall(words.encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer.decode()

    def expire(self, client) -> None:
        """End the session of a kazoo client, as if it had run out of time."""
        from kazoo.client import KazooClient

        other = KazooClient(self.connect_string, client_id=client.client_id, timeout=30)
        other.start()
        other.stop()
        other.close()


class ZooKeeperEnsemble:
    """Three servers, of which two are enough. A context manager."""

    def __init__(self) -> None:
        ports = [free_port() for _ in range(9)]
        members = {f"server.{n + 1}": f"127.0.0.1:{ports[3 * n + 1]}:{ports[3 * n + 2]}" for n in range(3)}
        self.servers = [ZooKeeperServer(ports[3 * n], initLimit=50, syncLimit=20, **members) for n in range(3)]
        for number, server in enumerate(self.servers, 1):
            (server.data / "myid").write_text(str(number))

    @property
    def connect_string(self) -> str:
        """All of them."""
        return ",".join(server.connect_string for server in self.servers)

    def __enter__(self):
        # a server dies with the thread that started it, so the threads stay
        self._starters = ThreadPoolExecutor(len(self.servers))
        try:
            list(self._starters.map(ZooKeeperServer.start, self.servers))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception) -> None:
        for server in self.servers:
            server.close()
        self._starters.shutdown()
