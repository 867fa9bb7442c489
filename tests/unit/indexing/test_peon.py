"""What keeps two processes from running one task (behaviours 12.2, 12.3, 12.6)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from nemeton.indexing.worker.peon import _take_lock
from nemeton.indexing.worker.task_dirs import TaskDir

OTHER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def test_the_folders_lock_holds_the_pid(tmp_path):
    with contextlib.closing(_take_lock(TaskDir(tmp_path), 1)):
        assert TaskDir(tmp_path).lock_file.read_text() == str(os.getpid())


def test_a_second_process_waits_for_the_lock_and_gives_up(tmp_path):
    directory = TaskDir(tmp_path)
    command = [sys.executable, "-c", OTHER, str(directory.lock_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(TimeoutError, match="Could not acquire the lock"):
            _take_lock(directory, 0.2)
        other.stdin.close()
        with contextlib.closing(_take_lock(directory, 20)):
            assert directory.lock_file.read_text() == str(os.getpid())
