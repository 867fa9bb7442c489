"""Bounds on the memory of peons by control groups (cgroup v2), where this process may make some.

A worker may do so when the folder of its own group was delegated to it (systemd: ``Delegate=yes``; containers with a
writable ``/sys/fs/cgroup``). It moves itself into a group of its own below that folder, because a group with processes
cannot bound its children, and makes one group for each peon beside it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from pathlib import Path

from attrs import define

log = logging.getLogger(__name__)

_ROOT = Path("/sys/fs/cgroup")
_SELF = Path("/proc/self/cgroup")
_REMOVAL_S = 1.0
_POLL_S = 0.01


@define
class PeonCgroup:
    """The group of one peon."""

    folder: Path

    def was_exceeded(self) -> bool:
        """Whether the kernel killed a process because the group had used up its memory."""
        try:
            lines = (self.folder / "memory.events").read_text().splitlines()
        except OSError:
            return False
        return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in lines)

    def remove(self) -> None:
        """Give the group back; its processes have ended. What cannot be removed is logged and left."""
        deadline = time.monotonic() + _REMOVAL_S
        while True:
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError as failure:  # the kernel counts a process that has just ended a moment longer
                if time.monotonic() > deadline:
                    log.warning("Cannot remove the control group [%s]: %s", self.folder, failure)
                    return
                time.sleep(_POLL_S)
            else:
                return


class PeonCgroups:
    """Makes groups for peons below ``folder``. See :meth:`open`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def open(cls, root: Path = _ROOT, own: Path = _SELF) -> PeonCgroups | None:
        """Make the worker's own group ready to have others beside it; None, with a log line, where that cannot be."""
        try:
            path = next(line[3:] for line in own.read_text().splitlines() if line.startswith("0::"))
            folder = root / path.lstrip("/")
            if folder.name == "nemeton-worker":  # an earlier runner of this process has moved it
                return cls(folder.parent)
            if "memory" not in (folder / "cgroup.controllers").read_text().split():
                raise OSError(f"the memory controller is not available in [{folder}]")
            worker = folder / "nemeton-worker"
            worker.mkdir(exist_ok=True)
            (worker / "cgroup.procs").write_text(str(os.getpid()))
            (folder / "cgroup.subtree_control").write_text("+memory")
        except (OSError, StopIteration) as failure:
            log.info("Peons are bounded by rlimits, not by control groups: %s", failure or "there is no cgroup v2")
            return None
        return cls(folder)

    def confine(self, name: str, pid: int, memory_bytes: int) -> PeonCgroup:
        """Put a process, and those that it will start, into a group with so much memory. Raises OSError."""
        group = PeonCgroup(self._folder / f"peon-{name}")
        group.folder.mkdir(exist_ok=True)
        try:
            (group.folder / "memory.max").write_text(str(memory_bytes))
            with contextlib.suppress(OSError):  # no swap here
                (group.folder / "memory.swap.max").write_text("0")
            (group.folder / "cgroup.procs").write_text(str(pid))
        except OSError:
            group.remove()
            raise
        return group
