"""Becomes a MiddleManager that dies with the process that started it: ``python -m … PARENT_PID CONF_FOLDER``."""

from __future__ import annotations

import os
import sys

from nemeton.indexing.worker.template import die_with_parent


def main() -> None:
    """The kernel's promise to kill this process outlives the exec."""
    parent, folder = sys.argv[1:]
    die_with_parent(int(parent))
    command = [sys.executable, "-m", "nemeton.cli.main", "server", "middleManager", "--conf", folder]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
