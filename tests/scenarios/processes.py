"""Clusters of many processes, each of which a test may kill, freeze, stop and start again.

::

    with Cluster(tmp_path, zookeeper_discovery(zookeeper), postgresql_metadata(postgresql)) as cluster:
        for name in ("overlord1", "overlord2"):
            cluster.add(name, "overlord")
        worker = cluster.add("worker", "middleManager", {"druid.worker.capacity": "2"})
        cluster.add("data", "coordinator", "historical", "broker")
        cluster.start()
        task = cluster.overlord.submit(…)
        cluster.leader("overlord").kill()
        worker.freeze()
        …
        assert cluster.overlord.wait_for_task(task)["statusCode"] == "SUCCESS"

Each process is ``nemeton server ROLE…`` with a configuration folder of its own and ports that stay the same over its
restarts; all are on this machine. What they print is in ``<folder>/<name>.log``, and a test that fails while it waits
shows the ends of these.
"""

import contextlib
import json
import os
import signal
import subprocess
import uuid
from pathlib import Path

import psutil
from attrs import define, field
from tests.scenarios.api import NOT_YET, Api, peons_of
from tests.scenarios.cluster import NEMETON
from tests.servers.ports import free_ports
from tests.servers.postgresql import PASSWORD, USER
from tests.servers.process import die_with_parent

_MASTERS = {"coordinator": "/druid/coordinator/v1", "overlord": "/druid/indexer/v1"}
_PORTS_EACH = 40
_PEON_SHIFT = 8
_TAIL = 3000


# ---- what a cluster is made over


def zookeeper_discovery(server, *, session_timeout_ms=3000, base=None, **more):
    """Discovery and elections in ZooKeeper (`tests.servers.zookeeper`), below a path of the cluster's own."""
    return {
        **_selected("curator"),
        "druid.zk.service.host": server.connect_string,
        "druid.zk.service.sessionTimeoutMs": str(session_timeout_ms),
        "druid.zk.paths.base": base or f"/druid-{uuid.uuid4().hex[:8]}",
        **more,
    }


def metadata_discovery(**more):
    """Discovery and elections in the metadata store."""
    return {**_selected("metadata"), "druid.zk.service.enabled": "false", **more}


def _selected(kind):
    return {
        "druid.discovery.type": kind,
        "druid.coordinator.selector.type": kind,
        "druid.indexer.selector.type": kind,
    }


def sqlite_metadata(folder):
    """The metadata store in a file."""
    return {
        "druid.metadata.storage.type": "sqlite",
        "druid.metadata.storage.connector.connectURI": f"sqlite:///{folder}/metadata.db",
    }


def postgresql_metadata(server, database=None):
    """The metadata store in a database of its own on a server (`tests.servers.postgresql`)."""
    return {
        "druid.metadata.storage.type": "postgresql",
        "druid.metadata.storage.connector.connectURI": server.jdbc_url(database or server.create_database()),
        "druid.metadata.storage.connector.user": USER,
        "druid.metadata.storage.connector.password": PASSWORD,
    }


# ---- one process


@define(eq=False, slots=False)
class ClusterProcess(Api):
    """``nemeton server ROLE…``; made by `Cluster.add`. Requests go to its first role, or `at` another one."""

    cluster: "Cluster"
    name: str
    roles: tuple[str, ...]
    properties: dict[str, str]
    env: dict[str, str] = field(factory=dict)
    process: subprocess.Popen | None = None
    is_wanted: bool = False
    """Whether it should run: a process that ends by itself fails whoever waits."""

    def __attrs_post_init__(self):
        self.first_port = free_ports(_PORTS_EACH)
        self.ports = {role: self.first_port + number for number, role in enumerate(self.roles)}
        self.log_file = self.cluster.folder / f"{self.name}.log"
        self.data = self.cluster.folder / self.name

    @property
    def url(self):
        return self.url_of(self.roles[0])

    def url_of(self, role):
        return f"http://localhost:{self.ports[role]}"

    def at(self, role):
        """The API of one of its roles."""
        return _RoleApi(self, role)

    @property
    def peon_port(self):
        """The first of the ports that its peons get."""
        return self.first_port + _PEON_SHIFT

    def start(self, *, answering=True, limit_s=60):
        """Start it, over what it has on disk, and unless told otherwise wait until all its roles answer."""
        assert not self.is_running, f"{self.name} runs already"
        folders = [self._configure(role) for role in self.roles]
        confs = [word for folder in folders for word in ("--conf", str(folder))]
        self.data.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [NEMETON, "server", *self.roles, *confs],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data,
                env={**os.environ, **self.cluster.env, **self.env},
                preexec_fn=die_with_parent,
                start_new_session=True,
            )
        self.is_wanted = True
        if answering:
            self.wait_until_up(limit_s)
        return self

    def _configure(self, role):
        """Write the role's configuration folder."""
        folder = self.cluster.folder / "conf" / self.name / role
        folder.mkdir(parents=True, exist_ok=True)
        own = {
            "druid.plaintextPort": str(self.ports[role]),
            "druid.indexer.task.baseTaskDir": str(self.data / "tasks"),
            "druid.indexer.runner.startPort": str(self.peon_port),
            "druid.segmentCache.locations": json.dumps([{"path": str(self.data / "cache"), "maxSize": 10**10}]),
            **self.properties,
        }
        _write_properties(folder / "runtime.properties", own)
        return folder

    def wait_until_up(self, limit_s=60):
        """Wait until all its roles answer."""
        for role in self.roles:
            self.wait_for(lambda role=role: self.at(role).get("/status/health"), limit_s)
        return self

    def stop(self, limit_s=60):
        """End it as an operator does; killed when it takes too long, which fails the test."""
        self.is_wanted = False
        if not self.is_running:
            return
        self.thaw()
        self.process.terminate()
        try:
            self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill(with_children=True)
            raise AssertionError(f"{self.name} did not stop within {limit_s} s\n{self.tail}") from None

    def kill(self, *, with_children=False):
        """Kill -9; its template and peons are left to find out, or killed in the same moment."""
        self.is_wanted = False
        if not self.is_running:
            return
        others = psutil.Process(self.process.pid).children(recursive=True) if with_children else []
        self.process.kill()
        for other in others:
            with contextlib.suppress(psutil.NoSuchProcess):
                other.kill()
        self.process.wait(30)

    def restart(self, **more):
        """Stop and start it."""
        self.stop()
        return self.start(**more)

    def freeze(self, *, with_children=False):
        """SIGSTOP: connections stay, nothing is answered."""
        self._signal(signal.SIGSTOP, with_children)
        # a thread that runs at this moment stops a little later
        self.wait_for(lambda: psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED)

    def thaw(self):
        """Let it, and its children, go on after `freeze`."""
        self._signal(signal.SIGCONT, True)

    def _signal(self, number, with_children):
        parent = psutil.Process(self.process.pid)
        for process in [parent, *(parent.children(recursive=True) if with_children else ())]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    @property
    def is_running(self):
        """Whether there is a process, frozen or not."""
        return self.process is not None and self.process.poll() is None

    def peons(self):
        """The processes of the tasks that it runs."""
        return peons_of(self.process.pid)

    @property
    def log(self):
        """What it has printed in all its lives."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def tail(self):
        """The end of its log, under its name."""
        return f"---- {self.name}\n{self.log[-_TAIL:]}"

    def check(self):
        return self.cluster.check()


class _RoleApi(Api):
    """Requests to one role of a process."""

    def __init__(self, process, role):
        self._process = process
        self._role = role

    @property
    def url(self):
        return self._process.url_of(self._role)

    def check(self):
        return self._process.check()


class _LeaderApi(Api):
    """Requests to whoever leads; nobody leading is one more reason to try again."""

    def __init__(self, cluster, service):
        self._cluster = cluster
        self._service = service

    @property
    def url(self):
        leader = self._cluster.leader(self._service)
        if leader is None:
            raise OSError(f"no {self._service} leads")
        return leader.url_of(self._service)

    def check(self):
        return self._cluster.check()


# ---- all of them


class Cluster:
    """Processes over one discovery, one metadata store and one deep storage, below one folder. Ends all of them.

    `discovery` and `metadata` are properties: see the functions above. `common` is added to those of all processes,
    `env` to their environment.
    """

    def __init__(self, folder, discovery, metadata=None, *, common=None, env=None):
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.env = dict(env or {})
        self.processes = {}
        self.common = {
            "druid.host": "localhost",
            "druid.storage.type": "local",
            "druid.storage.storageDirectory": str(self.folder / "segments"),
            "druid.indexer.logs.type": "file",
            "druid.indexer.logs.directory": str(self.folder / "task-logs"),
            "druid.indexer.runner.type": "httpRemote",
            **discovery,
            **(metadata or sqlite_metadata(self.folder)),
            **(common or {}),
        }

    def add(self, name, *roles_and_properties, env=None):
        """Add a process with these roles; the last argument may be a dict of properties for it. Not started yet."""
        *roles, last = roles_and_properties
        properties = last if isinstance(last, dict) else {}
        if not isinstance(last, dict):
            roles.append(last)
        process = ClusterProcess(self, name, tuple(roles), dict(properties), dict(env or {}))
        self.processes[name] = process
        return process

    def __getitem__(self, name):
        return self.processes[name]

    def start(self, *names, limit_s=60):
        """Start the processes, by default all that do not run, and wait until they answer."""
        _write_properties(self.folder / "conf" / "_common" / "common.runtime.properties", self.common)
        chosen = [self[name] for name in names] or [each for each in self.processes.values() if not each.is_running]
        for process in chosen:
            process.start(answering=False)
        for process in chosen:
            process.wait_until_up(limit_s)
        return self

    def stop(self):
        """Kill whatever runs, with its children."""
        for process in self.processes.values():
            process.kill(with_children=True)

    def with_role(self, role):
        """The processes that have the role."""
        return [process for process in self.processes.values() if role in process.roles]

    def leader(self, service):
        """The running process that says of itself that it leads (``coordinator`` or ``overlord``); None without."""
        return next(iter(self.leaders(service)), None)

    def leaders(self, service):
        """All running processes that say so: more than one is a fault."""
        found = []
        for process in self.with_role(service):
            with contextlib.suppress(*NOT_YET):
                if process.is_running and process.at(service).get(f"{_MASTERS[service]}/isLeader")["leader"]:
                    found.append(process)
        return found

    @property
    def overlord(self):
        """The API of the leading Overlord, looked up for each request."""
        return _LeaderApi(self, "overlord")

    @property
    def coordinator(self):
        """The API of the leading Coordinator, looked up for each request."""
        return _LeaderApi(self, "coordinator")

    @property
    def broker(self):
        """The API of a running Broker."""
        return next(process.at("broker") for process in self.with_role("broker") if process.is_running)

    def wait_for(self, done, limit_s=60):
        """See `Api.wait_for`."""
        return self.overlord.wait_for(done, limit_s)

    def check(self):
        """Fail when a process has ended by itself; otherwise the ends of all logs."""
        ended = [each for each in self.processes.values() if each.is_wanted and not each.is_running]
        assert not ended, "\n".join(f"{each.name} ended: {each.process.returncode}\n{each.tail}" for each in ended)
        return "\n".join(process.tail for process in self.processes.values())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def _write_properties(file, properties):
    """Properties as Java reads them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    escaped = {name: value.replace("\\", "\\\\") for name, value in properties.items()}
    file.write_text("".join(f"{name}={value}\n" for name, value in escaped.items()))
