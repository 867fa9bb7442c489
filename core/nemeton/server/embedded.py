"""A whole Druid in one process: what the quickstart and the testkit run."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from nemeton.common.errors import DruidException
from nemeton.common.folder_lock import FolderLock
from nemeton.config import Properties
from nemeton.config.properties import Origin
from nemeton.server.process import RoleSettings, ServerProcess
from nemeton.server.roles import ROLES, find_role

ROUTER_PORT = ROLES["router"].port

#: What one machine needs: the Overlord starts the peons itself, without a MiddleManager.
EMBEDDED_ROLES = ("coordinator", "overlord", "historical", "broker", "router")


def local_properties(data_dir: Path) -> dict[str, str]:
    """Properties that keep everything of a cluster below one folder of this machine.

    Raises a `DruidException` if the folder cannot be written.
    """
    folder = data_dir.expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise _unwritable(folder, str(error)) from error
    if not writable:
        raise _unwritable(folder, "permission denied")
    return {
        "druid.host": "localhost",
        "druid.metadata.storage.type": "sqlite",
        "druid.metadata.storage.connector.connectURI": f"sqlite:///{folder / 'metadata.db'}",
        "druid.storage.type": "local",
        "druid.storage.storageDirectory": str(folder / "segments"),
        "druid.indexer.logs.type": "file",
        "druid.indexer.logs.directory": str(folder / "task-logs"),
        "druid.indexer.task.baseTaskDir": str(folder / "tasks"),
        "druid.segmentCache.locations": json.dumps(
            [{"path": str(folder / "segment-cache"), "maxSize": 300_000_000_000}]
        ),
    }


def _unwritable(folder: Path, reason: str) -> DruidException:
    return DruidException(
        f"Data folder [{folder}] cannot be written: {reason}; name another one with --data-dir, or change its owner",
        error_code="invalidInput",
        persona="OPERATOR",
        category="INVALID_INPUT",
    )


#: Two Overlords over one store would run every task twice.
_MEND = "stop that one, or name another folder with --data-dir"


class EmbeddedCluster:
    """Roles of one cluster in this process, on loopback. A context manager; start and stop it once.

    `router_port` moves the Router, and the other roles by as much; 0 gives each role a free port.
    One data folder serves one cluster at a time.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        router_port: int = ROUTER_PORT,
        roles: Sequence[str] = EMBEDDED_ROLES,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        # nobody is asked for a password here, and a task may read any file of this user: only this machine may come in
        common = local_properties(data_dir) | {"druid.bindOnHost": "true"} | dict(properties or {})
        settings = []
        for role in map(find_role, roles):
            port = _free_port() if router_port == 0 else role.port + router_port - ROUTER_PORT
            values = Properties(common).with_values({"druid.plaintextPort": str(port)}, Origin("--port"))
            settings.append(RoleSettings(role, values))
        self.process = ServerProcess(settings)
        self._folder_lock = FolderLock(data_dir.expanduser().resolve(), _MEND)

    def start(self) -> EmbeddedCluster:
        """Start all roles; raises what makes a role fail, after stopping those that had started.

        A `DruidException` if another cluster uses the data folder.
        """
        self._folder_lock.acquire()
        try:
            self.process.start()
        except BaseException:
            self._folder_lock.release()
            raise
        return self

    def stop(self) -> None:
        """Stop all roles; failures are logged."""
        self.process.stop()
        self._folder_lock.release()

    def url(self, role: str) -> str:
        """Base address of a role: ``http://localhost:8888``."""
        return self.process.urls()[role]

    @property
    def router_url(self) -> str:
        """Base address of the Router."""
        return self.url("router")

    def __enter__(self) -> EmbeddedCluster:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
