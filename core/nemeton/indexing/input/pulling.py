"""Segments that a task reads, on its disk for as long as it does."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nemeton.model import DataSegment
    from nemeton.spi.ingest import InputToolbox


@contextmanager
def pulled_segment(segment: DataSegment, toolbox: InputToolbox) -> Iterator[Path]:
    """A folder with the segment's files, for as long as the block runs."""
    folder = Path(toolbox.work_dir) / "input-segments" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    try:
        toolbox.data_segment_puller.pull(segment.load_spec or {}, folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
