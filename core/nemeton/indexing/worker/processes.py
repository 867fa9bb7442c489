"""Starting peons: from the template, or as processes of their own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from attrs import define, field

from nemeton.indexing.worker.task_dirs import TaskDir

log = logging.getLogger(__name__)

_START_TIMEOUT_S = 60.0
#: Numerical libraries would start a thread per core in every peon, and one at import in the template. The C library
#: would have a heap per thread and give large blocks back at once: a batch task makes and drops arrays of some MB all
#: the time, and to get them from the system again took it a fifth of its time.
_QUIET_LIBRARIES = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}


@define(eq=False)
class PeonProcess:
    """A running peon. ``exit`` becomes its exit code (negative: the signal)."""

    pid: int
    exit: Future[int]
    _stdin: int | None
    _lock: threading.Lock = field(factory=threading.Lock)

    def ask_to_stop(self) -> None:
        """Close its standard input, which it takes as the request to end."""
        with self._lock:
            fd, self._stdin = self._stdin, None
        if fd is not None:
            os.close(fd)

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        if not self.exit.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class PeonLauncher(ABC):
    """Starts peons. Thread-safe."""

    @abstractmethod
    def launch(self, task_dir: TaskDir, attempt: int, env: Mapping[str, str]) -> PeonProcess:
        """Start a peon; raises OSError or RuntimeError when that fails."""

    def warm_up(self) -> None:  # noqa: B027 - optional
        """Get ready in the background."""

    def close(self) -> None:  # noqa: B027 - optional
        """Kill all peons that still run."""


class PlainPeonLauncher(PeonLauncher):
    """``nemeton internal peon <taskDir> <attempt>``, in a process of its own."""

    def launch(self, task_dir: TaskDir, attempt: int, env: Mapping[str, str]) -> PeonProcess:
        """See :class:`PeonLauncher`."""
        with task_dir.log_file.open("ab") as log_file:
            process = subprocess.Popen(
                [sys.executable, "-m", "nemeton.indexing.worker.peon", str(task_dir.path), str(attempt)],
                stdin=subprocess.PIPE,
                stdout=log_file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **_QUIET_LIBRARIES, **env},
            )
        assert process.stdin is not None
        stdin = os.dup(process.stdin.fileno())
        process.stdin.close()
        exit_code: Future[int] = Future()
        waiter = threading.Thread(
            target=lambda: exit_code.set_result(process.wait()), name=f"peon-wait-{process.pid}", daemon=True
        )
        waiter.start()
        return PeonProcess(process.pid, exit_code, stdin)


class TemplatePeonLauncher(PeonLauncher):
    """Forks peons from the warm template; a template that dies takes its peons with it and is started again.

    A peon that cannot be forked is started plainly. A template that does not answer keeps the peons it has, and gets
    no new ones: another one does.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = dict(env or {})
        self._plain = PlainPeonLauncher()
        self._lock = threading.Lock()
        self._connection: _TemplateConnection | None = None
        self._silent: list[_TemplateConnection] = []
        self._closed = False

    def warm_up(self) -> None:
        """See :class:`PeonLauncher`."""
        with self._lock:
            self._connect()

    def launch(self, task_dir: TaskDir, attempt: int, env: Mapping[str, str]) -> PeonProcess:
        """See :class:`PeonLauncher`."""
        connection = None
        try:
            with self._lock:
                connection = self._connect()
            return connection.fork(task_dir, attempt, env)
        except (OSError, RuntimeError) as failure:
            with self._lock:
                if self._closed:
                    raise
                if isinstance(failure, TimeoutError) and connection is not None and connection is self._connection:
                    self._silent = [other for other in self._silent if not other.is_lost] + [connection]
                    self._connection = None
            log.exception("Cannot fork a peon from the template; starting it plainly")
            return self._plain.launch(task_dir, attempt, env)

    def _connect(self) -> _TemplateConnection:
        if self._closed:
            raise RuntimeError("The peon template is closed")
        if self._connection is None or self._connection.is_lost:
            if self._connection is not None:
                log.warning("The peon template has ended; starting a new one")
            self._connection = _TemplateConnection(self._env)
        return self._connection

    @property
    def pid(self) -> int | None:
        """The template's process id, None while there is none."""
        connection = self._connection
        return None if connection is None else connection.pid

    def close(self) -> None:
        """See :class:`PeonLauncher`."""
        with self._lock:
            self._closed = True
            connections = [*self._silent, *([self._connection] if self._connection is not None else [])]
            self._connection = None
            self._silent = []
        for connection in connections:
            connection.close()


class _TemplateConnection:
    """One template process and the socket to it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nemeton.indexing.worker.template", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env={**os.environ, **_QUIET_LIBRARIES, **env},
            )
        self.pid = self._process.pid
        self._socket = ours
        self._lock = threading.Lock()
        self._next_id = 0
        self._started: dict[int, Future[int]] = {}
        self._exits: dict[int, Future[int]] = {}
        self.is_lost = False
        threading.Thread(target=self._read, name="peon-template", daemon=True).start()

    def fork(self, task_dir: TaskDir, attempt: int, env: Mapping[str, str]) -> PeonProcess:
        stdin_read, stdin_write = os.pipe()
        started: Future[int] = Future()
        exit_code: Future[int] = Future()
        try:
            with task_dir.log_file.open("ab") as log_file, self._lock:
                if self.is_lost:
                    raise RuntimeError("The peon template has ended")
                self._next_id += 1
                request_id = self._next_id
                self._started[request_id], self._exits[request_id] = started, exit_code
                request: dict[str, Any] = {
                    "id": request_id,
                    "task_dir": str(task_dir.path),
                    "attempt": attempt,
                    "env": dict(env),
                }
                message = json.dumps(request).encode() + b"\n"
                sent = socket.send_fds(self._socket, [message], [stdin_read, log_file.fileno()])
                self._socket.sendall(message[sent:])
            pid = started.result(_START_TIMEOUT_S)
        except BaseException:
            os.close(stdin_write)
            raise
        finally:
            os.close(stdin_read)
        return PeonProcess(pid, exit_code, stdin_write)

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._socket.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if "pid" in message:
                    self._started.pop(message["id"]).set_result(message["pid"])
                elif "error" in message:
                    self._exits.pop(message["id"])
                    self._started.pop(message["id"]).set_exception(OSError(f"No fork: {message['error']}"))
                elif "exit" in message:
                    self._exits.pop(message["id"]).set_result(message["exit"])
        self._lost()

    def _lost(self) -> None:
        with self._lock:
            self.is_lost = True
            started, self._started = self._started, {}
            exits, self._exits = self._exits, {}
        for future in started.values():
            future.set_exception(RuntimeError("The peon template has ended"))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_START_TIMEOUT_S)  # its children die with it
        for future in exits.values():
            future.set_result(-signal.SIGKILL)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._socket.close()
