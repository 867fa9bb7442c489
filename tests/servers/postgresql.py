"""A PostgreSQL server for tests, from the programs that Debian's package ``postgresql`` installs."""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import sqlalchemy
from tests.servers.process import ServerMissingError, ServerProcess

USER = "druid"
PASSWORD = "diurd:/@"  # as one that has to be quoted in URLs
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "100",
    # a killed process loses nothing by this, only a machine without power does
    "fsync": "off",
    "autovacuum": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


def programs() -> Path:
    """The folder of the newest PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found and (initdb := shutil.which("initdb")) is not None:
        found = [Path(initdb)]
    if not found:
        raise ServerMissingError("PostgreSQL's programs are neither in /usr/lib/postgresql nor on the PATH")
    return found[-1].parent


class PostgreSqlServer(ServerProcess):
    """A server with one superuser, `USER` with `PASSWORD`, who has to give the password.

    `settings` are added to its configuration. postgres refuses to run as root, so root starts it as `postgres`, or as
    `nobody` where there is no such user.
    """

    stop_signal = signal.SIGINT  # "fast": does not wait for clients to leave

    def __init__(self, **settings: str) -> None:
        self._programs = programs()
        if os.geteuid() == 0:
            known = {entry.pw_name for entry in pwd.getpwall()}
            self.user = "postgres" if "postgres" in known else "nobody"
        super().__init__()
        self._settings = {**_SETTINGS, **settings}
        self._names = itertools.count(1)
        self._init()

    def _init(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        self._run(
            "initdb",
            f"--pgdata={self.data}",
            f"--username={USER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        )

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def add_file(self, name: str, content: bytes) -> None:
        """Put a file into the data folder that only the server may read, as it demands of its keys."""
        path = self.data / name
        path.write_bytes(content)
        if self.user is not None:
            shutil.chown(path, self.user)
        path.chmod(0o600)

    def command(self) -> list[str]:
        """See the base class."""
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        return [str(self._programs / "postgres"), "-D", str(self.data), f"--port={self.port}", *options]

    def answers(self) -> bool:
        """Whether it takes connections."""
        return self._client("pg_isready", check=False).returncode == 0

    def create_database(self, *options: str) -> str:
        """Make an empty database, with options of `createdb`; return its name."""
        name = f"druid{next(self._names)}"
        self._client("createdb", "--template=template0", *options, name)
        return name

    def engine(self, database: str) -> sqlalchemy.Engine:
        """Connections for tests that look into a database; one that broke is replaced."""
        url = sqlalchemy.make_url(self.url(database)).set(username=USER, password=PASSWORD)
        return sqlalchemy.create_engine(url, pool_pre_ping=True)

    def dump_schema(self, database: str) -> str:
        """Return the statements that would make the database's tables, as pg_dump writes them."""
        return self._client("pg_dump", "--schema-only", "--no-owner", "--no-privileges", database).stdout

    def sql(self, statements: str, database: str = "postgres") -> str:
        """Run statements in a session of its own; return what psql prints (unaligned, tuples only)."""
        options = ("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1")
        return self._client("psql", *options, f"--dbname={database}", input=statements).stdout

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database, without user and password."""
        return f"postgresql+psycopg://127.0.0.1:{self.port}/{database}"

    def jdbc_url(self, database: str) -> str:
        """JDBC's URL of a database, without user and password."""
        return f"jdbc:postgresql://127.0.0.1:{self.port}/{database}"

    def _client(self, program: str, *arguments: str, check: bool = True, **options) -> subprocess.CompletedProcess:
        where = ("--host=127.0.0.1", f"--port={self.port}", f"--username={USER}")
        environment = {**os.environ, "PGPASSWORD": PASSWORD, "PGOPTIONS": "-c client_min_messages=warning"}
        return self._run(program, *where, *arguments, check=check, env=environment, **options)

    def _run(self, program: str, *arguments: str, check: bool = True, **options) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            user=self.user,
            check=False,
            **options,
        )
        assert not check or done.returncode == 0, f"{program} failed: {done.stdout}{done.stderr}"
        return done
