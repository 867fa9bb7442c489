"""A server that speaks S3 for tests: S3Proxy over a folder."""

import socket

from tests.servers import jars
from tests.servers.process import ServerMissingError, ServerProcess

ACCESS_KEY = "nemeton"
SECRET_KEY = "s3cret/with+signs"


class S3Server(ServerProcess):
    """Buckets are folders below `folder`/data; requests have to be signed with `ACCESS_KEY` and `SECRET_KEY`."""

    def __init__(self) -> None:
        if missing := jars.missing("s3proxy"):
            raise ServerMissingError(missing)
        super().__init__()
        (self.folder / "data").mkdir()
        (self.folder / "s3proxy.conf").write_text(
            f"""s3proxy.endpoint=http://127.0.0.1:{self.port}
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity={ACCESS_KEY}
s3proxy.credential={SECRET_KEY}
jclouds.provider=filesystem-nio2
jclouds.identity=unused
jclouds.credential=unused
jclouds.filesystem.basedir={self.folder}/data
""",
            encoding="utf-8",
        )

    def command(self) -> list[str]:
        classes = str(jars.folder("s3proxy") / "*")
        options = ["-DLOG_LEVEL=info", "-Xmx192m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return ["java", *options, "-cp", classes, "org.gaul.s3proxy.Main", "--properties", "s3proxy.conf"]

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def create_bucket(self, name: str) -> str:
        """Make a bucket, which may be there already."""
        (self.folder / "data" / name).mkdir(exist_ok=True)
        return name

    def properties(self) -> dict[str, str]:
        """`druid.s3.*` for clients of this server."""
        return {
            "druid.s3.accessKey": ACCESS_KEY,
            "druid.s3.secretKey": SECRET_KEY,
            "druid.s3.protocol": "http",
            "druid.s3.enablePathStyleAccess": "true",
            "druid.s3.endpoint.url": self.url,
            "druid.s3.endpoint.signingRegion": "us-east-1",
        }
