"""Moving files: links or copies, zips in and out, folders put in place at once."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import time
import uuid
import zipfile
from contextlib import suppress
from pathlib import Path

from nemeton.common.backoff import Backoff
from nemeton.common.errors import DruidException
from nemeton.segment.zipped import unpack_zip
from nemeton.spi.storage import SegmentLoadingError

_ATTEMPTS = 20
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


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


def binary_version(directory: Path) -> int:
    """Return the format version of the segment in the directory; raises `SegmentLoadingError` when it is none."""
    try:
        return int.from_bytes((directory / "version.bin").read_bytes(), "big")
    except OSError as e:
        raise SegmentLoadingError(f"[{directory}] is no segment: {e}") from e


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
    """Move a directory to its place at once; what stood there is gone afterwards.

    Where the system can exchange two names in one step, there is no moment without a whole directory in the place.
    Others may replace the same one meanwhile; the last wins. Raises `SegmentLoadingError` when they never leave a
    gap, within about a second.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    backoff = Backoff(initial_s=0.001, max_s=0.1)
    set_aside: list[Path] = []
    try:
        for attempt in range(_ATTEMPTS):
            if _move_or_exchange(source, target):
                return
            if attempt:
                time.sleep(backoff.next_delay())
            old = target.with_name(f"{target.name}_old_{uuid.uuid4()}")
            with suppress(FileNotFoundError):  # another push was faster
                target.rename(old)
                set_aside.append(old)
    finally:
        for old in set_aside:
            shutil.rmtree(old, ignore_errors=True)
    raise SegmentLoadingError(f"[{target}] is replaced by others all the time", path=str(target))


def _move_or_exchange(source: Path, target: Path) -> bool:
    """Put the directory in its place; False when another one is there that it cannot be exchanged with."""
    try:
        source.rename(target)
    except OSError as e:
        if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    else:
        return True
    if _exchange(source, target):
        shutil.rmtree(source, ignore_errors=True)
        return True
    return False


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names with Linux's renameat2; False where that does not work."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    names = os.fsencode(first), os.fsencode(second)
    return bool(renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)
