"""Damage of any kind gives an error that names the part, whatever is then asked of the segment.

`python -m tests.fuzz.segments --seconds 3600 --every` is the long form of this.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.segments import CORRUPT, GOLDEN, read_column, run
from tests.unit.segment.old_formats import read_files, reshaped

from nemeton.common.errors import DruidException
from nemeton.segment import DecodedColumnCache, QueryableIndex
from nemeton.segment.metadata import IndexFile
from nemeton.segment.smoosh import SmooshReader
from nemeton.segment.zipped import unpack_zip

SOURCES = ("mixed_rollup", "mixed_concise", "mixed_lzf", "mixed_longauto", "flights_rollup_day", "mixed_discover")


def check(report, least_cases):
    assert not report.findings, "\n".join(report.findings.values())
    assert sum(report.outcomes.values()) >= least_cases
    assert report.outcomes["corrupt"] > least_cases // 10


def test_damaged_golden_segments_are_read_or_refused():
    sources = ["mixed_rollup", "mixed_discover", "mixed_lzf", "flights_rollup_day"]
    check(run(seconds=280, seed=20, cases=150, sources=sources), 40)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("every", [False, True])
def test_many_damages(every):
    check(run(seconds=300, seed=21, everything=every), 1000)


class HeldFiles(SmooshReader):
    """The internal files of a segment in memory."""

    def __init__(self, files):
        self.files = files
        self.entries = dict.fromkeys(files)

    def file(self, name):
        if name not in self.files:
            return super().file(name)
        return memoryview(self.files[name])

    def close(self):
        pass


@functools.cache
def whole_segments():
    """Internal files by segment; the last has what no segment of today has."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, source in enumerate(SOURCES):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            archives = (GOLDEN / source).glob("*/*/index.zip")
            unpack_zip(min(archives, key=lambda path: path.stat().st_size), folder)
            found.append(read_files(folder))
        folder = Path(scratch) / "mixed"
        folder.mkdir()
        unpack_zip(min((GOLDEN / "mixed").glob("*/*/index.zip"), key=lambda path: path.stat().st_size), folder)
        found.append(read_files(reshaped(folder, Path(scratch) / "old")))
    return found


@st.composite
def damages(draw):
    """A segment, one of its internal files, and that file's damaged content."""
    files = draw(st.sampled_from(whole_segments()))
    name = draw(st.sampled_from(sorted(name for name, data in files.items() if data)))
    data = files[name]
    if draw(st.integers(0, 7)) == 0:
        return files, name, data[: draw(st.integers(0, len(data) - 1))]
    number = st.sampled_from([0, 1, 2**31 - 1, 2**32 - 1, 2**31, 2**24, len(data), 8 * len(data)])
    patches = st.one_of(
        st.binary(min_size=1, max_size=9),
        number.map(lambda value: value.to_bytes(4, "big")),
        number.map(lambda value: value.to_bytes(4, "little")),
    )
    at = draw(st.integers(0, min(len(data), draw(st.sampled_from([200, 600, len(data)]))) - 1))
    patch = draw(patches)[: len(data) - at]
    return files, name, data[:at] + patch + data[at + len(patch) :]


def column_of(name, files):
    """The column that an internal file belongs to; None for what all hang on."""
    base = name.split(".__")[0].split(".dim_values")[0].split(".inverted")[0]
    return base if name not in ("index.drd", "metadata.drd", "__time") and base in files else None


def read_damaged(files, name):
    index = QueryableIndex(
        HeldFiles(files), IndexFile.parse(memoryview(files["index.drd"])), None, DecodedColumnCache()
    )
    column = column_of(name, files)
    for each in index.column_names if column is None else [column]:
        read_column(index, each)


def refused_or_read(damage):
    files, name, content = damage
    told = None
    try:
        read_damaged({**files, name: content}, name)
    except DruidException as failure:
        told = failure.message
    assert told is None or CORRUPT.match(told), told


SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=150, derandomize=True, **SETTINGS)
@given(damages())
def test_any_damage_of_an_internal_file_is_read_or_refused(damage):
    refused_or_read(damage)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=20_000, **SETTINGS)
@given(damages())
def test_any_damage_of_internal_files_many_times(damage):
    refused_or_read(damage)
