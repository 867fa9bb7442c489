"""One MiddleManager on this machine: its folder, its process, and the file that says which process that is."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from nemeton.common.files import write_atomically

log = logging.getLogger(__name__)

_TAIL_BYTES = 2000
_PID_FILE = "pid"


class LocalWorkerProcess:
    """A started MiddleManager. It dies with the thread that made this object (so Linux has it), hence with its process.

    ``wait`` may be called by several threads.
    """

    def __init__(self, folder: Path, properties: Mapping[str, str]) -> None:
        """Start it. Raises OSError."""
        self._folder = folder
        conf = folder / "conf"
        conf.mkdir(parents=True, exist_ok=True)
        _write_properties(conf / "runtime.properties", properties)
        with self._log_file.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.launch", str(os.getpid()), str(conf)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=_without_settings(os.environ),
            )
        with contextlib.suppress(psutil.Error):  # it has ended already: whoever waits will say so
            started = psutil.Process(self._process.pid).create_time()
            (folder / _PID_FILE).write_text(f"{self._process.pid} {started}")

    @property
    def _log_file(self) -> Path:
        return self._folder / "worker.log"

    def wait(self) -> int:
        """Wait for its end, however long that takes, and give its exit code (negative: the signal)."""
        code = self._process.wait()
        (self._folder / _PID_FILE).unlink(missing_ok=True)
        return code

    def end(self, timeout_s: float) -> None:
        """Ask it to stop, kill it when it has not after the time-out; returns when it is gone."""
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            log.warning("The worker in [%s] has not stopped in %.0f s and is killed", self._folder, timeout_s)
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """The end of what it has printed."""
        with contextlib.suppress(OSError):
            return self._log_file.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
        return ""


def end_left_over(folder: Path, timeout_s: float) -> None:
    """End the process that an earlier life of the Overlord left in the folder, if it did.

    A process counts as that one only when it began at the noted time: ids are given out again.
    """
    file = folder / _PID_FILE
    try:
        pid, started = file.read_text().split()
        process = psutil.Process(int(pid))
        if abs(process.create_time() - float(started)) < 0.01:
            log.warning("Worker process [%s] in [%s] is left over from an earlier life and is killed", pid, folder)
            process.kill()
            process.wait(timeout_s)
    except (OSError, ValueError, psutil.NoSuchProcess):
        pass  # no file, or not one of ours; or the process has gone
    file.unlink(missing_ok=True)


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables such as ``druid_plaintextPort`` are among the Overlord's properties, and would win over the file."""
    return {name: value for name, value in environment.items() if not name.startswith("druid_")}


def _write_properties(file: Path, properties: Mapping[str, str]) -> None:
    """For the owner's eyes only: there may be passwords among them."""
    import javaproperties

    lines = (f"{javaproperties.escape(name)}={javaproperties.escape(value)}\n" for name, value in properties.items())
    write_atomically(file, "".join(lines).encode(), mode=0o600)
