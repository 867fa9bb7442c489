"""``ForkingTaskRunner``: one peon process per task (Druid's, runner type ``local``; also that of MiddleManagers)."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from attrs import define

from nemeton.common.clock import Clock
from nemeton.config import Properties
from nemeton.http.client import EscalatedHttpClient, HttpClientError
from nemeton.indexing.worker.cgroups import PeonCgroups
from nemeton.indexing.worker.config import PEON_INJECTOR, ForkingTaskRunnerConfig, WorkerConfig
from nemeton.indexing.worker.peon_context import LOAD_LIST_ENV
from nemeton.indexing.worker.peon_settings import PeonSettings, PeonSettingsMaker
from nemeton.indexing.worker.ports import PortFinder
from nemeton.indexing.worker.processes import PeonLauncher, PeonProcess, PlainPeonLauncher, TemplatePeonLauncher
from nemeton.indexing.worker.restorable import BaseRestorableTaskRunner
from nemeton.indexing.worker.task_dirs import TaskDir
from nemeton.indexing.worker.task_slots import StorageSlot
from nemeton.indexing.worker.work_item import WorkItem
from nemeton.json import Json
from nemeton.model import DruidNode, TaskLocation, TaskStatus
from nemeton.plugins import json_type
from nemeton.spi.discovery import DruidNodeDiscoveryProvider
from nemeton.spi.indexing import Task, TaskConfig
from nemeton.spi.storage import TaskLogs

log = logging.getLogger(__name__)

#: The template is made ready once the roles have had time to start; a task that comes sooner makes it at once.
_WARM_UP_DELAY_S = 1.0


@define(eq=False)
class ForkedItem(WorkItem):
    """A task with its peon; ``process`` is there while that runs."""

    process: PeonProcess | None = None
    killer: threading.Timer | None = None


@json_type("local")
class ForkingTaskRunner(BaseRestorableTaskRunner[ForkedItem]):
    """Runs each task in a peon. A thread waits for each; what a peon does, its crash included, is a status of its task.

    ``peon_injector`` names the function that puts a peon together.
    """

    peon_injector = PEON_INJECTOR

    def __init__(
        self,
        config: ForkingTaskRunnerConfig,
        worker_config: WorkerConfig,
        task_config: TaskConfig,
        node: DruidNode,
        properties: Properties,
        discovery: DruidNodeDiscoveryProvider,
        task_logs: TaskLogs,
        http: EscalatedHttpClient,
        json: Json,
        clock: Clock,
    ) -> None:
        super().__init__(worker_config, task_config, task_logs, json, clock)
        self._config = config
        self._node = node
        self._load_list = properties.get("druid.extensions.loadList")
        self._settings = PeonSettingsMaker(config, task_config, node, properties, discovery, self.peon_injector)
        self._cgroups: PeonCgroups | None = None
        self._http = http
        self._ports = PortFinder(config.start_port, config.end_port, config.ports)
        self._launcher: PeonLauncher | None = None
        self._stopped_launcher: PeonLauncher | None = None
        self._warm_up: threading.Timer | None = None

    # ---- lifecycle

    def start(self) -> None:
        """See :class:`BaseRestorableTaskRunner`."""
        super().start()
        with self._lock:
            if self._config.peon_memory_limit:
                self._cgroups = PeonCgroups.open()  # before there is a template, which would stay where it is
            self._launcher = self._make_launcher()
            self._warm_up = threading.Timer(_WARM_UP_DELAY_S, self._warm_up_launcher, [self._launcher])
            self._warm_up.daemon = True
            self._warm_up.start()

    def _make_launcher(self) -> PeonLauncher:
        if not self._config.peon_template:
            return PlainPeonLauncher()
        return TemplatePeonLauncher({} if self._load_list is None else {LOAD_LIST_ENV: self._load_list})

    @staticmethod
    def _warm_up_launcher(launcher: PeonLauncher) -> None:
        try:
            launcher.warm_up()
        except Exception:
            log.exception("The peon template cannot be started; tasks will try again")

    def _detach(self) -> None:
        self._stopped_launcher, self._launcher = self._launcher, None
        if self._warm_up is not None:
            self._warm_up.cancel()

    def stop(self) -> None:
        """See :class:`BaseRestorableTaskRunner`."""
        super().stop()
        if self._stopped_launcher is not None:
            self._stopped_launcher.close()

    def _grace_of(self, item: ForkedItem) -> float:
        return super()._grace_of(item) if item.task.can_restore else self._config.kill_timeout_seconds

    # ---- running

    def _make_item(self, task: Task, task_dir: TaskDir | None, now: int) -> ForkedItem:
        return ForkedItem(task, created_time=now, queue_insertion_time=now, task_dir=task_dir)

    def _run_in(self, item: ForkedItem, task_dir: TaskDir, slot: StorageSlot) -> TaskStatus | None:
        with self._port() as port:
            attempt = self._prepare(item, task_dir)
            settings = self._settings.make(item.task, port, slot)
            settings.write(task_dir, attempt, limits_itself=self._cgroups is None)
            exit_code = self._run_process(item, task_dir, attempt, port, settings)
            if item.abandoned:
                return None
            status = self._outcomes.status(item, task_dir.attempt_dir(attempt), exit_code)
            self._outcomes.push_files(item.task_id, task_dir, attempt)
            return status

    def _clear_away(self, item: ForkedItem) -> None:
        if item.process is not None:
            item.process.ask_to_stop()
            item.process.kill()

    @contextmanager
    def _port(self) -> Iterator[int]:
        port = self._ports.take()
        try:
            yield port
        finally:
            self._ports.give_back(port)

    def _run_process(self, item: ForkedItem, task_dir: TaskDir, attempt: int, port: int, settings: PeonSettings) -> int:
        with self._lock:
            launcher = self._launcher
            if launcher is None or item.abandoned:
                return -signal.SIGTERM
        process = launcher.launch(task_dir, attempt, settings.environment)
        with self._confined(item, process, settings.memory_limit):
            return self._watch_process(item, process, port)

    @contextmanager
    def _confined(self, item: ForkedItem, process: PeonProcess, memory_limit: int) -> Iterator[None]:
        """Bound the peon's memory by a control group, if there are such, and say so when that ends the task."""
        if self._cgroups is None or not memory_limit:
            yield
            return
        try:
            group = self._cgroups.confine(str(process.pid), process.pid, memory_limit)
        except OSError:
            process.kill()  # better not at all than without the bound that was asked for
            raise
        try:
            yield
            if group.was_exceeded():
                item.stop_reason = item.stop_reason or f"Task needed more than [{memory_limit}] bytes of memory"
        finally:
            group.remove()

    def _watch_process(self, item: ForkedItem, process: PeonProcess, port: int) -> int:
        with self._lock:
            item.process = process
            item.running = True
            item.started_at = self._clock.monotonic()
            item.location = TaskLocation(self._node.host, port, -1)
            stop = item.stop_reason
        if stop is not None:
            self._ask_to_stop(item, stop)
        if item.abandoned:
            process.kill()
        self._announce(item)
        exit_code = process.exit.result()  # ends with the process; whoever wants it sooner stops or kills the process
        process.ask_to_stop()  # closes the pipe
        return exit_code

    # ---- stopping one

    def _ask_to_stop(self, item: ForkedItem, reason: str) -> None:
        with self._lock:
            item.stop_reason = item.stop_reason or reason
            process = item.process
        if process is None or process.exit.done():
            return
        process.ask_to_stop()
        with self._lock:
            if item.abandoned or item.killer is not None:
                return
            killer = item.killer = threading.Timer(self._config.kill_timeout_seconds, process.kill)
            killer.daemon = True
            killer.start()
        process.exit.add_done_callback(lambda _: killer.cancel())

    def _exit_of(self, item: ForkedItem) -> Future[int] | None:
        return None if item.process is None else item.process.exit

    def _kill(self, item: ForkedItem) -> None:
        if item.process is not None:
            item.process.kill()

    # ---- looking

    def stream_task_reports(self, task_id: str) -> Iterator[bytes] | None:
        """See :class:`TaskRunner`: asks the peon, if it has opened its port."""
        location = self.get_task_location(task_id)
        if not location.is_known:
            return None
        with suppress(HttpClientError):
            answer = self._http.request(
                "GET", f"{location.url}/druid/worker/v1/chat/{task_id}/liveReports", timeout_s=10
            )
            if answer.ok:
                return iter([answer.body])
        return None
