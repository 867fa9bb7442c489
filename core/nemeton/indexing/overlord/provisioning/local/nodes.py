"""The MiddleManagers that this Overlord has started."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from nemeton.common.clock import Clock
from nemeton.config import Properties
from nemeton.indexing.overlord.provisioning.config import SimpleWorkerProvisioningConfig
from nemeton.indexing.overlord.provisioning.local.config import LocalEnvConfig
from nemeton.indexing.overlord.provisioning.local.process import LocalWorkerProcess, end_left_over
from nemeton.indexing.overlord.provisioning.local.worker import LocalWorker
from nemeton.indexing.worker.ports import is_free
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.model import DruidNode

log = logging.getLogger(__name__)

_START_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 30.0
#: Properties that say what one process is, and hence not what another one is.
_NOT_PASSED_ON = (
    "druid.service",
    "druid.port",
    "druid.plaintextPort",
    "druid.tlsPort",
    "druid.indexer.runner.type",
    "druid.indexer.runner.ports",
    "druid.worker.baseTaskDirs",
)


class LocalNodes:
    """Starts MiddleManagers, keeps them running, ends them at the latest with the Overlord's process. Thread-safe.

    They stay when the leadership goes to another Overlord, whose workers they become. After a kill -9 of the Overlord
    the kernel kills them; where it has not (it is a promise of Linux), the next life of the Overlord finds them by
    their pid files, when it first uses the folder.
    """

    def __init__(
        self, properties: Properties, node: DruidNode, config: SimpleWorkerProvisioningConfig, clock: Clock
    ) -> None:
        self._properties = properties
        self._node = node
        self._version = config.worker_version
        self._clock = clock
        self._lock = threading.Lock()
        self._workers: dict[str, LocalWorker] = {}
        self._seen: set[Path] = set()
        self._starter: ThreadPoolExecutor | None = None

    @lifecycle_start
    def start(self) -> None:
        """Get ready to start workers: one thread starts all their processes, for they die with it."""
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="local-workers")

    @lifecycle_stop
    def stop(self) -> None:
        """End all workers, within a bound."""
        with self._lock:
            starter, self._starter = self._starter, None
            workers = dict(self._workers)
        self.terminate(workers)
        for address, worker in workers.items():
            if not worker.join(2 * _END_TIMEOUT_S):
                log.error("The worker [%s] has not ended", address)
        if starter is not None:
            starter.shutdown()

    def provision(self, env: LocalEnvConfig) -> str | None:
        """Start a worker and return its address; None, and a log, when that cannot be."""
        with self._lock:
            if self._starter is None:
                return None
            try:
                return self._start_worker(env)
            except Exception:
                log.exception("No worker could be started below [%s]", env.base_dir)
                return None

    def terminate(self, addresses: Iterable[str]) -> list[str]:
        """Begin to end these workers; return those that are ending."""
        with self._lock:
            ending = [address for address in addresses if address in self._workers]
            for address in ending:
                self._workers[address].end(_END_TIMEOUT_S)
        return ending

    def own(self, addresses: Iterable[str]) -> list[str]:
        """Those of the addresses that are of workers started here."""
        with self._lock:
            return [address for address in addresses if address in self._workers]

    def _start_worker(self, env: LocalEnvConfig) -> str | None:
        base = Path(env.base_dir).absolute() / self._node.host_and_port_to_use.replace(":", "_")
        if base not in self._seen:
            for folder in base.glob("*/"):
                end_left_over(folder, _END_TIMEOUT_S)
            self._seen.add(base)
        for ports in env.port_ranges():
            address = DruidNode("", self._node.host, plaintext_port=ports[0]).host_and_port
            if address not in self._workers and is_free(ports[0]):
                folder = base / str(ports[0])
                start = partial(self._start_process, folder, self._worker_properties(env, ports, folder))
                self._workers[address] = LocalWorker(address, start, self._clock, self._forget)
                log.info("Started the worker [%s] in [%s]", address, folder)
                return address
        log.warning("All ports from [%d] to [%d] are in use", env.start_port, env.end_port)
        return None

    def _start_process(self, folder: Path, properties: Mapping[str, str]) -> LocalWorkerProcess:
        starter = self._starter
        if starter is None:
            raise RuntimeError("the Overlord stops")
        return starter.submit(LocalWorkerProcess, folder, properties).result(_START_TIMEOUT_S)

    def _forget(self, address: str) -> None:
        with self._lock:
            self._workers.pop(address, None)

    def _worker_properties(self, env: LocalEnvConfig, ports: range, folder: Path) -> Mapping[str, str]:
        version = {} if self._version is None else {"druid.worker.version": self._version}
        return {
            **{name: value for name, value in self._properties.items() if name not in _NOT_PASSED_ON},
            "druid.host": self._node.host,
            "druid.plaintextPort": str(ports[0]),
            "druid.indexer.runner.startPort": str(ports[1]),
            "druid.indexer.runner.endPort": str(ports[-1]),
            "druid.indexer.task.baseTaskDir": str(folder / "tasks"),
            **version,
            **env.properties,
        }
