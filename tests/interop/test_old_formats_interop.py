"""Segments of older formats read the same here and in the real Druid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.segment.old_formats import reshaped

from nemeton.segment import DecodedColumnCache, QueryableIndex
from nemeton.segment.rows import json_rows
from nemeton.segment.zipped import unpack_zip

pytestmark = pytest.mark.interop
TESTS = Path(__file__).parents[1]


def make(name, folder):
    folder.mkdir()
    if name == "reshaped":
        archives = (TESTS / "golden" / "segments" / "mixed").glob("*/*/index.zip")
        unpack_zip(max(archives, key=lambda path: path.stat().st_size), folder)
        return reshaped(folder, folder.parent / "reshaped")
    unpack_zip(TESTS / "data" / "segments" / name / "index.zip", folder)
    return folder


@pytest.mark.parametrize("name", ["documents_v3", "documents_v4", "reshaped"])
def test_rows_are_those_that_the_real_druid_reads(name, tmp_path, real_druid):
    folder = make(name, tmp_path / "segment")
    index = QueryableIndex.open(folder, DecodedColumnCache())
    ours = list(json_rows(index, index.column_names))
    index.close()
    theirs = real_druid.dump_segment(folder)
    assert len(ours) == len(theirs)
    for mine, druids in zip(ours, theirs, strict=True):
        for name_, value in druids.items():
            told = json.loads(value) if isinstance(value, str) and isinstance(mine[name_], (dict, list)) else value
            assert told == mine[name_], name_
