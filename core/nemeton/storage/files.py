"""Moving files: links or copies, zips in and out, folders put in place at once."""

from __future__ import annotations

import os
import shutil
import uuid
import zipfile
from pathlib import Path

from nemeton.common.errors import DruidException
from nemeton.segment.zipped import unpack_zip
from nemeton.spi.storage import SegmentLoadingError


def link_or_copy(source: Path, target: Path) -> None:
    """Give `target` the content of `source`: by a hard link where the file system can, else by a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def fsync_directory(directory: Path) -> None:
    """Make the files of a flat directory, and their names, survive a power cut."""
    for path in (*directory.iterdir(), directory):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def flat_files(directory: Path) -> list[Path]:
    """Return the files of a segment directory; one with a folder in it is no segment."""
    files = sorted(directory.iterdir())
    for file in files:
        if not file.is_file():
            raise SegmentLoadingError(f"Unexpected subdirectory [{file.name}] in segment directory [{directory}]")
    return files


def zip_directory(directory: Path, target: Path) -> int:
    """Zip a flat directory; returns the size of the files before that."""
    size = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in flat_files(directory):
            size += file.stat().st_size
            archive.write(file, file.name)
    return size


def unzip(source: Path, directory: Path) -> int:
    """Unpack a segment's zip safely; returns the size of its files. Raises `SegmentLoadingError`."""
    try:
        return unpack_zip(source, directory)
    except DruidException as e:
        raise SegmentLoadingError(f"Unable to load from [{source}]: {e.message}", path=str(source)) from e


def replace_directory(source: Path, target: Path) -> None:
    """Move a directory to its place at once; what stands there is moved away first and then removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        old = target.with_name(f"{target.name}_old_{uuid.uuid4()}")
        target.rename(old)
        source.rename(target)
        shutil.rmtree(old, ignore_errors=True)
