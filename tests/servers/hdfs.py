"""HDFS for tests: Hadoop's own NameNode and DataNode in one process."""

import urllib.request

from tests.servers import jars
from tests.servers.ports import free_port
from tests.servers.process import ServerMissingError, ServerProcess

USER = "nemeton"


class HdfsServer(ServerProcess):
    """`port` is that of WebHDFS; whoever it is who asks says so himself (Hadoop's simple authentication)."""

    def __init__(self) -> None:
        if missing := jars.missing("hdfs"):
            raise ServerMissingError(missing)
        super().__init__()
        self.rpc_port = free_port()

    def command(self) -> list[str]:
        options = ["-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", f"-DHADOOP_USER_NAME={USER}"]
        classes = str(jars.folder("hdfs") / "*")
        program = str(jars.HERE / "HdfsServer.java")
        return ["java", *options, "-cp", classes, program, str(self.port), str(self.rpc_port), f"{self.folder}/data"]

    def answers(self) -> bool:
        if b"ready" not in (self.folder / "server.log").read_bytes():
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/webhdfs/v1/?op=GETFILESTATUS&user.name={USER}", timeout=5):
                return True
        except OSError:
            return False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"
