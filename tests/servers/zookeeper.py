"""A ZooKeeper server for tests, from the jars that the real Druid's kit fetches."""

import os
import shutil
import socket
from pathlib import Path

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
    """A standalone server that grants sessions from 0.2 s to 60 s, and looks for empty containers every second."""

    def __init__(self) -> None:
        self._class_path = class_path()
        super().__init__()
        settings = {
            "tickTime": TICK_MS,
            "maxSessionTimeout": 60_000,
            "dataDir": self.folder / "data",
            "clientPort": self.port,
            "clientPortAddress": "127.0.0.1",
            "maxClientCnxns": 0,
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "*",
        }
        self._config = self.folder / "zoo.cfg"
        self._config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

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
            return "Mode: standalone" in self.ask("srvr")
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
