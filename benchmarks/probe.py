"""What is seen of a process while it works: latency of its API, its memory, its CPU time."""

from __future__ import annotations

import abc
import contextlib
import random
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psutil

from benchmarks.task_rows import pending_id

_PAUSE_S = 0.2
_LIST_EVERY_S = 2.0
_SAMPLE_EVERY_S = 0.5
_TIMEOUT_S = 60.0


class _Watcher(abc.ABC):
    """Looks again and again on a thread of its own; a context manager."""

    pause_s = _SAMPLE_EVERY_S

    @abc.abstractmethod
    def look(self) -> None:
        """Look once."""

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()
        return self

    def _loop(self) -> None:
        while not self._ended.wait(self.pause_s):
            self.look()

    def __exit__(self, *failure: object) -> None:
        self._ended.set()
        self._thread.join(_TIMEOUT_S)


class ApiProbe(_Watcher):
    """Asks for a task's status, the list of tasks (all active ones and 100 ended ones) and the workers, in turn.

    The list, which is long, is asked for every other second.
    """

    pause_s = _PAUSE_S

    def __init__(self, url: str, tasks: int) -> None:
        self._url = url
        self._tasks = tasks
        self._times: dict[str, list[float]] = {"status": [], "workers": [], "tasks": []}
        self.failures = 0
        self._listed_at = 0.0

    def look(self) -> None:
        task = pending_id(random.randrange(self._tasks))
        self._ask("status", f"/druid/indexer/v1/task/{task}/status")
        self._ask("workers", "/druid/indexer/v1/workers")
        if time.monotonic() - self._listed_at >= _LIST_EVERY_S:
            self._listed_at = time.monotonic()
            self._ask("tasks", "/druid/indexer/v1/tasks?max=100")

    def _ask(self, what: str, path: str) -> None:
        began = time.monotonic()
        try:
            with urllib.request.urlopen(self._url + path, timeout=_TIMEOUT_S) as answer:
                answer.read()
        except OSError:
            self.failures += 1
        else:
            self._times[what].append(time.monotonic() - began)

    def latencies(self) -> dict[str, tuple[float, float]]:
        """Milliseconds of p50 and p99."""
        return {what: (_part(times, 0.5), _part(times, 0.99)) for what, times in self._times.items()}


def _part(times: list[float], part: float) -> float:
    return 1000 * sorted(times)[min(len(times) - 1, int(len(times) * part))] if times else 0.0


class Memory(_Watcher):
    """The largest PSS of a process, in bytes."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.peak = 0

    def look(self) -> None:
        with contextlib.suppress(psutil.Error):
            self.peak = max(self.peak, self._process.memory_full_info().pss)


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process with its children, those that have ended among them."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        for each in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = each.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


class PeakOfTasks(_Watcher):
    """The most memory of any one process below these: what a cluster starts runs its tasks."""

    pause_s = 0.2

    def __init__(self, roots: Sequence[psutil.Process]) -> None:
        self._roots = roots
        self.rss = self.pss = 0
        """Bytes."""

    def look(self) -> None:
        """See `_Watcher`."""
        for root in self._roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in root.children(recursive=True):
                    self.rss = max(self.rss, peak_rss(process.pid))
                    self.pss = max(self.pss, process.memory_full_info().pss)


def peak_rss(pid: int) -> int:
    """The most physical memory that a process has had, in bytes; 0 when it is gone."""
    return _of_status(pid, "VmHWM")


def anonymous_memory(pid: int) -> int:
    """The memory of a process without what it maps of files, in bytes; 0 when it is gone."""
    return _of_status(pid, "RssAnon")


def _of_status(pid: int, name: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith(f"{name}:")), 0)


class PeakOfAnonymous(_Watcher):
    """The most memory of a process, without what it maps of files: the system takes that back when it needs to."""

    pause_s = 0.05

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.bytes = anonymous_memory(pid)

    def look(self) -> None:
        """See `_Watcher`."""
        self.bytes = max(self.bytes, anonymous_memory(self._pid))
