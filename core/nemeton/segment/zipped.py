"""Segments as `index.zip`, the form in which most deep storages hold them."""

from __future__ import annotations

import shutil
import struct
import zipfile
import zlib
from pathlib import Path

from nemeton.segment.errors import corrupt

_COPY_BYTES = 1 << 20
_DAMAGE = (
    OSError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    RuntimeError,
    EOFError,
    ValueError,
    struct.error,
)
_MAX_RATIO = 1100  # deflate cannot do better than about 1032 : 1


def unpack_zip(source: Path, directory: Path) -> int:
    """Unpack a segment's zip into a directory; returns the size of its files.

    Only plain files at the root of the zip are accepted, so that no name leads out of `directory`, and no more bytes
    than a zip of that size can hold. Checksums are verified. Raises the `corrupt` error.
    """
    try:
        bound = source.stat().st_size * _MAX_RATIO
        with zipfile.ZipFile(source) as archive:
            if sum(info.file_size for info in archive.infolist()) > bound:
                raise corrupt(str(source), "the zip claims to hold more than it can")
            return sum(_extract(archive, info, source, directory) for info in archive.infolist())
    except _DAMAGE as e:
        raise corrupt(str(source), f"it cannot be unzipped: {e}") from e


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: Path, directory: Path) -> int:
    name = info.filename
    if info.is_dir() or name != Path(name).name or "\\" in name or name in ("", ".", ".."):
        raise corrupt(str(source), f"the zip holds [{name}], which is no file at its root")
    with archive.open(info) as packed, (directory / name).open("xb") as out:
        shutil.copyfileobj(packed, out, _COPY_BYTES)
        return out.tell()
