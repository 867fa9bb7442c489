"""Moving files: links or copies, zips in and out, folders put in place at once."""

from __future__ import annotations

import os
import shutil
import uuid
import zipfile
from pathlib import Path

from nemeton.spi.storage import SegmentLoadingError

_COPY_BYTES = 1 << 20
_MAX_RATIO = 1100  # deflate cannot do better than about 1032 : 1


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
    """Unpack a segment's zip; returns the size of its files.

    Only plain files at the root of the zip are accepted, so that no name leads out of `directory`, and no more bytes
    than a zip of that size can hold. Checksums are verified. Raises `SegmentLoadingError`.
    """
    try:
        bound = source.stat().st_size * _MAX_RATIO
        with zipfile.ZipFile(source) as archive:
            if sum(info.file_size for info in archive.infolist()) > bound:
                raise SegmentLoadingError(f"Zip [{source}] claims to hold more than it can")
            return sum(_extract(archive, info, source, directory) for info in archive.infolist())
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError) as e:
        raise SegmentLoadingError(f"Unable to unzip [{source}]: {e}", path=str(source)) from e


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: Path, directory: Path) -> int:
    name = info.filename
    if info.is_dir() or name != Path(name).name or "\\" in name or name in ("", ".", ".."):
        raise SegmentLoadingError(f"Zip [{source}] holds [{name}], which is no file at its root", path=str(source))
    with archive.open(info) as packed, (directory / name).open("xb") as out:
        shutil.copyfileobj(packed, out, _COPY_BYTES)
        return out.tell()


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
