"""Files that are whole whenever they are seen."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644, temporary_dir: Path | None = None) -> None:
    """Write a file so that readers see all of it or what was there before; aside first, next to it by default."""
    temporary = (temporary_dir or path.parent) / f".{path.name[:200]}.{os.getpid()}.{threading.get_ident()}"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
