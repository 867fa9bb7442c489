"""The warm template: a process that has everything imported and forks peons on demand.

It imports and does nothing else: it has one thread, opens nothing but the socket to the worker, and never runs what it
imported, because a child of a process whose native libraries have threads or locks at work may hang. It ends with the
worker: when the socket closes it kills its children and exits; children also die with it (``PR_SET_PDEATHSIG``).

Protocol, over a Unix stream socket, one JSON object per line: the worker sends ``{"id", "task_dir", "attempt", "env"}``
with two file descriptors (standard input, log); the template answers ``{"id", "pid"}`` at once, or ``{"id", "error"}``
when it cannot fork, and ``{"id", "exit"}`` when the child ends (negative: the signal that killed it). Its first line is
``{"ready": true}``.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from collections import deque
from typing import Any

_PR_SET_PDEATHSIG = 1
_CHUNK = 65536

#: Imported before anybody asks. Nothing here may start a thread at import (polars and pyarrow do).
PRELOAD = (
    "numpy",
    "nemeton.server.peon",
    "nemeton.indexing.worker.peon",
    "nemeton.indexing.worker.peon_context",
    "nemeton.indexing.tasks.noop",
    "nemeton.indexing.tasks.kill",
)


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends; exit if that has happened already."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(2)


class Template:
    """The fork server's loop."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}
        self._fds: deque[int] = deque()
        self._buffer = b""
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def run(self) -> None:
        """Serve until the worker is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        selector = selectors.DefaultSelector()
        selector.register(self._control, selectors.EVENT_READ)
        selector.register(self._wake_read, selectors.EVENT_READ)
        self._send({"ready": True})
        try:
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._control:
                        if not self._receive():
                            return
                    else:
                        with contextlib.suppress(BlockingIOError):
                            os.read(self._wake_read, _CHUNK)
                        self._reap()
        finally:
            self._kill_children()

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(message).encode() + b"\n")

    def _receive(self) -> bool:
        """Handle what the worker sent; False when it is gone."""
        try:
            data, fds, _, _ = socket.recv_fds(self._control, _CHUNK, 16)
        except OSError:
            return False
        self._fds.extend(fds)
        if not data:
            return False
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._fork(json.loads(line))
        return True

    def _fork(self, request: dict[str, Any]) -> None:
        stdin_fd, log_fd = self._fds.popleft(), self._fds.popleft()
        template_pid = os.getpid()
        try:
            pid = os.fork()
            if pid == 0:
                self._become_peon(request, stdin_fd, log_fd, template_pid)
        except OSError as error:  # no process to be had: that is this task's fault, and no reason to end the others
            self._send({"id": request["id"], "error": str(error)})
            return
        finally:
            os.close(stdin_fd)
            os.close(log_fd)
        self._children[pid] = request["id"]
        self._send({"id": request["id"], "pid": pid})

    def _become_peon(self, request: dict[str, Any], stdin_fd: int, log_fd: int, template_pid: int) -> None:
        """Never returns."""
        code = 1
        try:
            die_with_parent(template_pid)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.dup2(stdin_fd, 0)
            os.dup2(log_fd, 1)
            os.dup2(log_fd, 2)
            for fd in (stdin_fd, log_fd, self._wake_read, self._wake_write, *self._fds):
                os.close(fd)
            self._control.close()
            os.environ.update(request.get("env") or {})
            from nemeton.indexing.worker.peon import main

            code = main(request["task_dir"], request["attempt"])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001 - whatever it is, the child must not return into the template's loop
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            request_id = self._children.pop(pid, None)
            if request_id is not None:
                self._send({"id": request_id, "exit": os.waitstatus_to_exitcode(status)})

    def _kill_children(self) -> None:
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _warm_up() -> None:
    """Import. What fails here fails again in the peon that needs it, where somebody reads the log of its task."""
    try:
        for name in PRELOAD:
            importlib.import_module(name)
        from nemeton.indexing.worker.peon_context import preload_extensions

        preload_extensions()
    except Exception as error:  # noqa: BLE001 - a cold template is better than none
        sys.stderr.write(f"The peon template starts cold: {type(error).__name__}: {error}\n")


def main(argv: list[str]) -> None:
    """Run as ``python -m nemeton.indexing.worker.template <fd of the socket>``."""
    control = socket.socket(fileno=int(argv[1]))
    control.set_inheritable(False)
    _warm_up()
    gc.collect()
    gc.freeze()  # the collector must not touch, and thereby copy, pages that the children share
    Template(control).run()


if __name__ == "__main__":
    main(sys.argv)
