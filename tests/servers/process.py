"""A server that tests start, stop, kill and freeze: what all kinds of them share."""

import abc
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from tests.servers.ports import free_port

REQUIRED = os.environ.get("NEMETON_REQUIRE_INTEROP", "") not in ("", "0")
_PATIENCE_S = 60


class ServerMissingError(Exception):
    """The server's programs are not on this machine; the text says what to install."""


def skip_or_fail(missing: ServerMissingError) -> None:
    """Skip loudly, or fail where NEMETON_REQUIRE_INTEROP says that nothing may be missing."""
    message = f"A SERVER IS NOT HERE, so nothing is known about working with it: {missing}"
    if REQUIRED:
        pytest.fail(message)
    pytest.skip(message)


def die_with_parent() -> None:
    """Have the kernel kill this process when the test's ends; as ``preexec_fn``."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class ServerProcess(abc.ABC):
    """One server on 127.0.0.1 with a port and a data folder that stay the same over restarts.

    A context manager: started on entering; on leaving it is killed and its folder deleted. `user` is the user it runs
    as (None: the test's own). It dies with the test's process.
    """

    user: str | None = None
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"nemeton-{type(self).__name__}-"))
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        self.process: subprocess.Popen | None = None

    @abc.abstractmethod
    def command(self) -> list[str]:
        """The command that runs the server in the foreground."""

    @abc.abstractmethod
    def answers(self) -> bool:
        """Whether the server does its work."""

    def start(self) -> None:
        """Start it over the data it has, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
                preexec_fn=die_with_parent,
                start_new_session=True,
            )
        give_up = time.monotonic() + _PATIENCE_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > give_up:
                log_text = (self.folder / "server.log").read_text(errors="replace")[-3000:]
                pytest.fail(f"{type(self).__name__} did not start:\n{log_text}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it as an operator would; clients lose their connections."""
        assert self.process is not None
        self.process.send_signal(self.stop_signal)
        self.process.wait(_PATIENCE_S)

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """Kill -9 the server and all its children at once."""
        self._signal_all(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(_PATIENCE_S)

    def freeze(self) -> None:
        """Let it hang: connections stay, nothing is answered."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._signal_all(signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        """Whether there is a process, frozen or not."""
        return self.process is not None and self.process.poll() is None

    def _signal_all(self, number: int) -> None:
        """The parent first: it makes no new children when it is stopped."""
        assert self.process is not None
        processes: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.process.pid)
            if number != signal.SIGCONT:
                parent.send_signal(signal.SIGSTOP)
            processes = [*parent.children(recursive=True), parent]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if number == signal.SIGKILL:
            _wait_for_the_end(processes[:-1])

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def close(self) -> None:
        """Kill it if it runs, and delete its folder."""
        if self.is_running:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _wait_for_the_end(processes: list[psutil.Process]) -> None:
    """They end at once; whether somebody asks for their exit codes (orphans' zombies) does not matter."""
    give_up = time.monotonic() + _PATIENCE_S
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < give_up:
                time.sleep(0.002)
