"""When compiled kernels are worth their import, and where they are kept between processes."""

from __future__ import annotations

import os
import pathlib
import tempfile

COMPILE_AFTER = 4_000_000
"""So many rows, worked through or served, are worth what numba costs: half a second and 60 MiB."""


def use_writable_cache(module: str) -> None:
    """Point numba at the user's cache folder when it could not write beside the module; call it before numba comes."""
    here = pathlib.Path(module).parent / "__pycache__"
    writable = os.access(here, os.W_OK) if here.exists() else os.access(here.parent, os.W_OK)
    if "NUMBA_CACHE_DIR" in os.environ or writable:
        return
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = pathlib.Path(base) / "nemeton" / "numba"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = pathlib.Path(tempfile.gettempdir()) / f"nemeton-numba-{os.getuid()}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
