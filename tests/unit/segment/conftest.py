"""The golden segments, unpacked once."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemeton.segment import DecodedColumnCache, QueryableIndex
from nemeton.segment.zipped import unpack_zip

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="session")
def golden_segments(tmp_path_factory) -> dict[str, list[Path]]:
    """Folders of all golden segments by data source."""
    root = tmp_path_factory.mktemp("golden")
    found: dict[str, list[Path]] = {}
    for packed in sorted((GOLDEN / "segments").glob("*/*/*/index.zip")):
        source = packed.parts[-4]
        folder = root / source / packed.parts[-3] / packed.parts[-2]
        folder.mkdir(parents=True)
        unpack_zip(packed, folder)
        found.setdefault(source, []).append(folder)
    return found


@pytest.fixture
def cache() -> DecodedColumnCache:
    return DecodedColumnCache()


@pytest.fixture
def open_index(cache):
    opened = []

    def open_(directory) -> QueryableIndex:
        opened.append(QueryableIndex.open(directory, cache))
        return opened[-1]

    yield open_
    for index in opened:
        index.close()
