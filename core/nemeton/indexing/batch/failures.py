"""What went wrong, for the one who submitted the task."""

from __future__ import annotations

import errno

from nemeton.common.errors import DruidException


def failure_message(error: Exception) -> str:
    """One line."""
    if isinstance(error, DruidException):
        return error.message
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" while writing [{error.filename}]" if error.filename else ""
        return f"No space left on device{where}: the disk of the task's work folder or of the deep storage is full"
    if isinstance(error, MemoryError):
        return f"Out of memory: {error}"
    return f"{type(error).__name__}: {error}"
