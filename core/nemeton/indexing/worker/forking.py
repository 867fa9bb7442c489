"""``ForkingTaskRunner``: one peon process per task (Druid's, runner type ``local``)."""

from __future__ import annotations

import json as plain_json
import logging
import signal
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Executor, Future, InvalidStateError, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

from nemeton.common.clock import Clock
from nemeton.config import Properties
from nemeton.discovery.static import properties_for_static
from nemeton.http.client import EscalatedHttpClient, HttpClientError
from nemeton.indexing.worker.config import PEON_INJECTOR, ForkingTaskRunnerConfig, WorkerConfig, peon_properties
from nemeton.indexing.worker.listeners import RunnerListeners
from nemeton.indexing.worker.outcomes import PeonOutcomes
from nemeton.indexing.worker.peon_context import LOAD_LIST_ENV
from nemeton.indexing.worker.ports import PortFinder
from nemeton.indexing.worker.processes import PeonLauncher, PlainPeonLauncher, TemplatePeonLauncher
from nemeton.indexing.worker.task_dirs import TaskDir, TaskDirs, write_atomically
from nemeton.indexing.worker.work_item import WorkItem
from nemeton.json import Json
from nemeton.model import DruidNode, NodeRole, TaskLocation, TaskStatus
from nemeton.plugins import json_type
from nemeton.spi.discovery import DruidNodeDiscoveryProvider
from nemeton.spi.indexing import RunnerTaskState, Task, TaskConfig, TaskRunner, TaskRunnerListener
from nemeton.spi.storage import TaskLogs
from nemeton.storage.task_logs import stream_file

log = logging.getLogger(__name__)

#: The template is made ready once the roles have had time to start; a task that comes sooner makes it at once.
_WARM_UP_DELAY_S = 1.0


@json_type("local")
class ForkingTaskRunner(TaskRunner):
    """Runs each task in a peon, at most ``druid.worker.capacity`` at a time, first come, first served.

    A thread waits for each peon. What a peon does, its crash included, is a status of its task and nothing else. May be
    started again after :meth:`stop`. ``peon_injector`` names the function that puts a peon together.
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
        self._config = config
        self._worker_config = worker_config
        self._task_config = task_config
        self._node = node
        self._properties = properties
        self._discovery = discovery
        self._outcomes = PeonOutcomes(json, task_logs)
        self._http = http
        self._json = json
        self._clock = clock
        self._dirs = TaskDirs(Path(task_config.task_dir_root))
        self._ports = PortFinder(config.start_port, config.end_port, config.ports)
        self._listeners = RunnerListeners()
        self._lock = threading.RLock()
        self._items: dict[str, WorkItem] = {}
        self._free_slots: list[int] = []
        self._threads: ThreadPoolExecutor | None = None
        self._launcher: PeonLauncher | None = None
        self._warm_up: threading.Timer | None = None
        self._stopping = False

    # ---- lifecycle

    def start(self) -> None:
        """See :class:`TaskRunner`. Kills what an earlier life left running, so that it cannot publish any more."""
        with self._lock:
            self._stopping = False
            self._dirs.root.mkdir(parents=True, exist_ok=True)
            for task_dir in self._dirs.existing():
                task_dir.end_orphan()
            self._free_slots = list(range(self._worker_config.capacity))
            self._threads = ThreadPoolExecutor(self._worker_config.capacity, thread_name_prefix="forking-task-runner")
            self._launcher = self._make_launcher()
            self._warm_up = threading.Timer(_WARM_UP_DELAY_S, self._warm_up_launcher, [self._launcher])
            self._warm_up.daemon = True
            self._warm_up.start()

    def _make_launcher(self) -> PeonLauncher:
        if not self._config.peon_template:
            return PlainPeonLauncher()
        load_list = self._properties.get("druid.extensions.loadList")
        return TemplatePeonLauncher({} if load_list is None else {LOAD_LIST_ENV: load_list})

    @staticmethod
    def _warm_up_launcher(launcher: PeonLauncher) -> None:
        try:
            launcher.warm_up()
        except Exception:
            log.exception("The peon template cannot be started; tasks will try again")

    def restore(self) -> list[tuple[Task, Future[TaskStatus]]]:
        """See :class:`TaskRunner`: runs again what can be restored, and deletes the other folders."""
        restored: list[tuple[Task, Future[TaskStatus]]] = []
        wanted = set(self._dirs.read_restore()) if self._task_config.restore_tasks_on_restart else set()
        for task_dir in list(self._dirs.existing()):
            task = self._restorable(task_dir) if task_dir.path.name in wanted else None
            if task is None:
                # its task may have published, and will not run again
                self._outcomes.push_files(task_dir.path.name, task_dir, task_dir.next_attempt() - 1)
                task_dir.delete()
            else:
                log.info("Restoring task [%s]", task.id)
                restored.append((task, self._submit(task, task_dir)))
        self._save_restore()
        return restored

    def _restorable(self, task_dir: TaskDir) -> Task | None:
        try:
            task = self._json.loads(task_dir.task_file.read_bytes(), Task)
        except Exception:
            log.exception("Task in [%s] cannot be restored", task_dir.path)
            return None
        return task if task.can_restore and task.id == task_dir.path.name else None

    def stop(self) -> None:
        """See :class:`TaskRunner`."""
        with self._lock:
            self._stopping = True
            items = list(self._items.values())
            for item in items:
                item.abandoned = True
            threads, self._threads = self._threads, None
            launcher, self._launcher = self._launcher, None
            if self._warm_up is not None:
                self._warm_up.cancel()
        for item in items:
            self._ask_to_stop(item, "The runner stops")
        patience = max((self._grace_of(item) for item in items if item.process is not None), default=0.0)
        exits = [item.process.exit for item in items if item.process is not None]
        _, late = wait(exits, timeout=patience)
        if late:
            log.warning("%d peons did not stop within %.0f s; killing them", len(late), patience)
        for item in items:
            if item.process is not None:
                item.process.kill()
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)
        if launcher is not None:
            launcher.close()
        with self._lock:
            self._items.clear()
        for item in items:
            self._cancel(item)  # also those whose threads never got to them

    def _grace_of(self, item: WorkItem) -> float:
        if item.task.can_restore:
            return self._task_config.graceful_shutdown_timeout.to_seconds()
        return self._config.kill_timeout_seconds

    # ---- running

    def run(self, task: Task) -> Future[TaskStatus]:
        """See :class:`TaskRunner`."""
        return self._submit(task, None)

    def _submit(self, task: Task, task_dir: TaskDir | None) -> Future[TaskStatus]:
        with self._lock:
            known = self._items.get(task.id)
            if known is not None:
                return known.result
            if self._threads is None:
                raise RuntimeError("The task runner is not started")
            now = self._clock.now()
            item = WorkItem(task, created_time=now, queue_insertion_time=now, task_dir=task_dir)
            self._items[task.id] = item
            self._threads.submit(self._run_item, item)
            return item.result

    def _run_item(self, item: WorkItem) -> None:
        """In a thread of its own, from start to end."""
        status = None
        try:
            status = self._run_peon(item)
        except Exception as error:
            if item.abandoned:
                log.info("The runner has stopped; the peon of task [%s] is not started: %s", item.task_id, error)
            else:
                log.exception("Running the peon of task [%s] failed", item.task_id)
            status = TaskStatus.failure(item.task_id, f"Failed to start the task's process: {error}")
            self._clear_away(item)
        finally:
            self._finish(item, status)

    @staticmethod
    def _clear_away(item: WorkItem) -> None:
        """After a failure on the way; what a stopped runner had going on is left for its next life."""
        if item.process is not None:
            item.process.ask_to_stop()
            item.process.kill()
        if item.task_dir is not None and not item.abandoned:
            item.task_dir.delete()

    def _finish(self, item: WorkItem, status: TaskStatus | None) -> None:
        with self._lock:
            if self._items.get(item.task_id) is item:
                del self._items[item.task_id]
        if item.abandoned or status is None:
            self._cancel(item)
            return
        self._save_restore()
        self._listeners.status_changed(item.task_id, status)
        with suppress(InvalidStateError):  # stopped at this very moment
            item.result.set_result(status)

    def _run_peon(self, item: WorkItem) -> TaskStatus | None:
        with self._slot_of(item) as slot, self._port() as port:
            if item.stop_reason is not None or item.abandoned:
                return TaskStatus.failure(item.task_id, item.stop_reason or "Task stopped")
            item.task_dir = item.task_dir or self._dirs.task_dir(slot, item.task_id)
            attempt = self._prepare(item, item.task_dir, port)
            exit_code = self._run_process(item, item.task_dir, attempt, port)
            return self._conclude(item, item.task_dir, attempt, exit_code)

    def _cancel(self, item: WorkItem) -> None:
        """Not an end of the task: the next life takes it up again."""
        with self._lock:
            if not item.result.done() and item.result.cancel():
                item.result.set_running_or_notify_cancel()

    @contextmanager
    def _slot_of(self, item: WorkItem) -> Iterator[int]:
        with self._lock:
            slots = self._free_slots  # the next life has a list of its own
            slot = slots.pop(0)
        try:
            yield slot
        finally:
            with self._lock:
                slots.append(slot)
                slots.sort()

    @contextmanager
    def _port(self) -> Iterator[int]:
        port = self._ports.take()
        try:
            yield port
        finally:
            self._ports.give_back(port)

    def _prepare(self, item: WorkItem, task_dir: TaskDir, port: int) -> int:
        """Fill the task's folder; return the number of the attempt."""
        task_dir.path.mkdir(parents=True, exist_ok=True)
        if not task_dir.task_file.exists():
            write_atomically(task_dir.task_file, self._json.dumps(item.task))
        attempt = task_dir.next_attempt()
        attempt_dir = task_dir.attempt_dir(attempt)
        attempt_dir.mkdir(parents=True)
        settings = {"properties": self._peon_properties(item.task, port), "injector": self.peon_injector}
        # holds passwords
        write_atomically(attempt_dir / "settings.json", plain_json.dumps(settings).encode(), mode=0o600)
        return attempt

    def _peon_properties(self, task: Task, port: int) -> dict[str, str]:
        own = {
            **properties_for_static(self._discovery, (NodeRole.OVERLORD, NodeRole.COORDINATOR)),
            "druid.service": "druid/peon",
            "druid.host": self._node.host,
            "druid.plaintextPort": str(port),
            "druid.task.executor.service": self._node.service_name,
            "druid.task.executor.host": self._node.host,
            "druid.task.executor.plaintextPort": str(self._node.plaintext_port),
        }
        own.pop("druid.port", None)
        properties = {k: v for k, v in self._properties.items() if k != "druid.port"}
        return peon_properties(properties, self._config, task.context, own)

    def _run_process(self, item: WorkItem, task_dir: TaskDir, attempt: int, port: int) -> int:
        with self._lock:
            launcher = self._launcher
            if launcher is None or item.abandoned:
                return -signal.SIGTERM
        process = launcher.launch(task_dir, attempt, {})
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
        self._save_restore()
        self._listeners.location_changed(item.task_id, item.location)
        self._listeners.status_changed(item.task_id, TaskStatus.running(item.task_id))
        exit_code = process.exit.result()  # ends with the process; whoever wants it sooner stops or kills the process
        process.ask_to_stop()  # closes the pipe
        return exit_code

    def _conclude(self, item: WorkItem, task_dir: TaskDir, attempt: int, exit_code: int) -> TaskStatus | None:
        if item.abandoned:
            return None
        status = self._outcomes.status(item, task_dir.attempt_dir(attempt), exit_code)
        self._outcomes.push_files(item.task_id, task_dir, attempt)
        task_dir.delete()
        seconds = self._clock.monotonic() - item.started_at
        return status.with_duration(int(seconds * 1000)).with_location(item.location)

    def _save_restore(self) -> None:
        with self._lock:
            if self._stopping:
                return  # the next life must find what runs now
            running = [item.task_id for item in self._items.values() if item.running and item.task.can_restore]
        try:
            self._dirs.write_restore(running)
        except OSError:
            log.exception("Cannot write restore.json")

    # ---- stopping one

    def shutdown(self, task_id: str, reason: str) -> None:
        """See :class:`TaskRunner`."""
        with self._lock:
            item = self._items.get(task_id)
        if item is None:
            return
        log.info("Shutting down task [%s]: %s", task_id, reason)
        self._ask_to_stop(item, reason)

    def _ask_to_stop(self, item: WorkItem, reason: str) -> None:
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

    # ---- looking

    def get_known_tasks(self) -> Collection[WorkItem]:
        """See :class:`TaskRunner`."""
        with self._lock:
            return list(self._items.values())

    def get_running_tasks(self) -> Collection[WorkItem]:
        """See :class:`TaskRunner`."""
        return [item for item in self.get_known_tasks() if item.running]

    def get_pending_tasks(self) -> Collection[WorkItem]:
        """See :class:`TaskRunner`."""
        return [item for item in self.get_known_tasks() if not item.running]

    def get_runner_task_state(self, task_id: str) -> RunnerTaskState | None:
        """See :class:`TaskRunner`."""
        with self._lock:
            item = self._items.get(task_id)
        if item is None:
            return None
        return RunnerTaskState.RUNNING if item.running else RunnerTaskState.PENDING

    def get_task_location(self, task_id: str) -> TaskLocation:
        """See :class:`TaskRunner`."""
        with self._lock:
            item = self._items.get(task_id)
        return TaskLocation() if item is None else item.location

    def register_listener(self, listener: TaskRunnerListener, executor: Executor | None = None) -> None:
        """See :class:`TaskRunner`."""
        self._listeners.register(listener, executor)
        for item in self.get_running_tasks():
            self._listeners.location_changed(item.task_id, item.location, only=listener.listener_id)

    def unregister_listener(self, listener_id: str) -> None:
        """See :class:`TaskRunner`."""
        self._listeners.unregister(listener_id)

    def stream_task_log(self, task_id: str, offset: int) -> Iterator[bytes] | None:
        """See :class:`TaskRunner`."""
        with self._lock:
            item = self._items.get(task_id)
        return None if item is None or item.task_dir is None else stream_file(item.task_dir.log_file, offset)

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

    def total_task_slot_count(self) -> Mapping[str, int]:
        """See :class:`TaskRunner`."""
        return {self._worker_config.category: self.total_capacity()}

    def used_task_slot_count(self) -> Mapping[str, int]:
        """See :class:`TaskRunner`."""
        return {self._worker_config.category: self.used_capacity()}

    def idle_task_slot_count(self) -> Mapping[str, int]:
        """See :class:`TaskRunner`."""
        return {self._worker_config.category: max(0, self.total_capacity() - self.used_capacity())}

    def total_capacity(self) -> int:
        """See :class:`TaskRunner`."""
        return self._worker_config.capacity

    def used_capacity(self) -> int:
        """See :class:`TaskRunner`."""
        return len(self.get_running_tasks())
