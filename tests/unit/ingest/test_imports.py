"""The peon template forks after importing task types: that must not load what starts threads."""

from __future__ import annotations

import subprocess
import sys


def test_task_types_load_no_native_engine() -> None:
    code = (
        "import sys, nemeton.indexing.batch.task, nemeton.ingest.extension, nemeton.ingest.module, nemeton.spi.ingest;"
        "print([name for name in ('polars', 'pyarrow', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
