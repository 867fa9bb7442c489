"""``nemeton internal``: what processes of nemeton start themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("task_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("attempt", type=int)
def peon(task_dir: Path, attempt: int) -> None:
    """Run the task in TASK_DIR, as a worker does; ends with the exit code that the worker expects."""
    from nemeton.indexing.worker.peon import main

    sys.exit(main(task_dir, attempt))
