"""The peon: a process that runs one task.

Order: settings → task file → lock → watch the worker → run the task → reports and status → exit code. Exit code 0 means
that the status file tells the outcome; 2 that the worker went away or asked to stop.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from attrs import define, field

from nemeton.indexing.worker.peon_context import PeonContext, make_context
from nemeton.indexing.worker.task_dirs import TaskDir
from nemeton.indexing.worker.task_logging import TaskLogFormatter
from nemeton.indexing.worker.task_run import run_task, write_status
from nemeton.spi.indexing import Task

log = logging.getLogger("nemeton.peon")

EXIT_STOPPED = 2
_PRIORITY = "backgroundThreadPriority"
_NICE_PER_PRIORITY = 5
_MAX_NICE = 19
_LOCK_POLL_S = 0.1
#: How long a task that cannot be restored may take to stop when the worker wants it to.
_STOP_BOUND_S = 5.0


def main(task_dir: str | Path, attempt: int) -> int:
    """Run the task in ``task_dir`` and return the exit code for the process."""
    _configure_logging()
    directory = TaskDir(Path(task_dir))
    context = make_context(directory, attempt)
    try:
        with context:
            task = context.json.loads(directory.task_file.read_bytes(), Task)
            timeout_s = context.task_config.directory_lock_timeout.to_seconds()
            lock = _take_lock(directory, timeout_s, _is_worker_gone)
            with contextlib.closing(lock):
                return _Run(context, directory, attempt, task).to_the_end()
    except _WorkerGoneError:
        log.warning("The worker has closed the pipe before the task ran")
        return EXIT_STOPPED
    except Exception:
        log.exception("The peon failed before its task ran")
        return 1


def _configure_logging() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(TaskLogFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


class _WorkerGoneError(Exception):
    """Nobody waits for this peon any more."""


def _is_worker_gone() -> bool:
    """Whether standard input has come to its end; the worker never writes there."""
    return bool(select.select([0], [], [], 0)[0]) and not os.read(0, 4096)


def _take_lock(directory: TaskDir, timeout_s: float, is_worker_gone: Callable[[], bool] = lambda: False) -> IO[str]:
    """Lock the folder, so that no second process runs its task. Raises TimeoutError, or that the worker is gone."""
    file = directory.lock_file.open("a+")
    deadline = time.monotonic() + timeout_s
    while True:
        if is_worker_gone():
            file.close()
            raise _WorkerGoneError
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                file.close()
                raise TimeoutError(f"Could not acquire the lock [{directory.lock_file}] within {timeout_s} s") from None
            time.sleep(_LOCK_POLL_S)
        else:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            return file


@define
class _Run:
    """One run of the task."""

    context: PeonContext
    directory: TaskDir
    attempt: int
    task: Task
    _ended: threading.Event = field(factory=threading.Event)

    def to_the_end(self) -> int:
        """Run the task, write its status, and return the exit code."""
        threading.Thread(target=self._watch_worker, name="parent-monitor", daemon=True).start()
        started = time.monotonic()
        toolbox = self.context.make_toolbox(self.task)
        _be_nice(self.task)
        status = run_task(self.task, toolbox)
        status = status.with_duration(int((time.monotonic() - started) * 1000))
        self._ended.set()
        if self.context.is_closing:
            return EXIT_STOPPED
        write_status(status, self.directory.attempt_dir(self.attempt) / "status.json", self.context.json)
        return 0

    def _watch_worker(self) -> None:
        """Wait for the end of standard input: the worker is gone, or wants the task to stop."""
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        if self._ended.is_set():
            return
        log.warning("The worker has closed the pipe: stopping")
        # nothing may be published from here on, unless the task is one that is made to stop like this
        self.context.begin_closing(may_still_act=self.task.can_restore)
        with contextlib.suppress(Exception):
            self.task.stop_gracefully()
        bound = (
            self.context.task_config.graceful_shutdown_timeout.to_seconds() if self.task.can_restore else _STOP_BOUND_S
        )
        self._ended.wait(bound)
        sys.stdout.flush()
        os._exit(EXIT_STOPPED)


def _be_nice(task: Task) -> None:
    """Lower this thread's priority as ``backgroundThreadPriority`` in the task's context says; it cannot be raised.

    Threads that the task starts inherit it. Java's priorities: 0 is normal, -4 the lowest.
    """
    given = task.context.get(_PRIORITY)
    try:
        priority = 0 if given is None else int(given)
    except (TypeError, ValueError):
        log.exception("Error parsing task priority [%s] for task [%s]", given, task.id)
        return
    if priority < 0:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(_MAX_NICE, -priority * _NICE_PER_PRIORITY))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
