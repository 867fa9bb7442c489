"""What the benchmark of first queries prints, and what it sees of files in memory."""

from __future__ import annotations

import mmap
import sys

import pytest
from benchmarks.first_query import COLD, WARM, FirstQuery, Opening, resident_bytes, said, table


def test_a_second_over_a_warm_query_is_the_most_with_kernels_on_disk():
    found = [
        FirstQuery("a", WARM, 1200.0, 200.0),
        FirstQuery("b", WARM, 1300.0, 200.0),
        FirstQuery("c", COLD, 9e3, 1.0),
    ]
    verdicts = [line.split("|")[-2].strip() for line in table(found).splitlines()[2:]]
    assert verdicts == ["holds", "MISSED", ""]


def test_what_opening_read_is_said_in_one_sentence():
    text = said(Opening(segments=7, size=200_000_000, read=4000, faults=90, resident=1_500_000))
    assert "7 segments of 200.0 MB read 4.0 kB by calls and touched 90 pages" in text
    assert "1.5 MB of their files" in text


@pytest.mark.skipif(sys.platform != "linux", reason="mincore by its Linux name")
def test_a_file_just_written_is_in_memory_page_by_page(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(3 * mmap.PAGESIZE + 1))
    assert resident_bytes(file) == 4 * mmap.PAGESIZE
    file.write_bytes(b"")
    assert resident_bytes(file) == 0
