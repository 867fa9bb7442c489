"""Damaged segments give an error that names the part: no crash, no allocation beyond what the file could hold."""

from __future__ import annotations

import random
import shutil
import tracemalloc

import numpy as np
import pytest

from nemeton.common.errors import DruidException
from nemeton.segment import (
    DecodedColumnCache,
    DoubleData,
    IndexSpec,
    LongData,
    MultiStringData,
    QueryableIndex,
    StringData,
    write_segment,
)
from nemeton.segment.columns import NumericColumn, StringColumn
from nemeton.time import Interval

SPECS = {
    "lz4": IndexSpec(),
    "zstd-auto": IndexSpec(dimension_compression="zstd", metric_compression="zstd", long_encoding="auto"),
    "plain": IndexSpec(dimension_compression="uncompressed", metric_compression="none", long_encoding="auto"),
}


def make(folder, spec):
    rng = np.random.default_rng(7)
    rows = 20_000
    lengths = rng.integers(0, 4, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    write_segment(
        folder,
        interval=Interval(0, 86_400_000),
        columns=[
            LongData("__time", np.arange(rows)),
            StringData("s", [None, *(f"v{i:04d}" for i in range(500))], rng.integers(0, 501, rows)),
            MultiStringData("m", ["a", "b", "c"], offsets, rng.integers(0, 3, offsets[-1])),
            LongData("l", rng.integers(0, 1000, rows), rng.random(rows) < 0.1),
            DoubleData("d", rng.normal(size=rows)),
        ],
        dimensions=["s", "m", "l"],
        metrics=["d"],
        index_spec=spec,
    )
    return folder


def read_everything(folder):
    """Touch all that can be touched; returns how many values came out."""
    index = QueryableIndex.open(folder, DecodedColumnCache())
    try:
        touched = 0
        for name in index.column_names:
            column = index.column(name)
            if isinstance(column, NumericColumn):
                touched += len(column.values(0, index.num_rows))
                column.nulls(0, index.num_rows)
            elif isinstance(column, StringColumn):
                touched += len(read_codes(column))
                for code in range(0, column.cardinality, 50):
                    column.lookup(code)
                    column.bitmap(code)
                column.index_of("v0100")
                column.values_list()
        return touched
    finally:
        index.close()


def read_codes(column):
    if column.has_multiple_values:
        return column.offsets_codes(0, column.num_rows)[1]
    return column.codes(0, column.num_rows)


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    root = tmp_path_factory.mktemp("damage")
    return {name: make(root / name, spec) for name, spec in SPECS.items()}


@pytest.mark.parametrize("kind", SPECS)
def test_any_flipped_bytes_give_an_error_or_other_values(kind, segments, tmp_path):
    whole = (segments[kind] / "00000.smoosh").read_bytes()
    broken = tmp_path / "broken"
    shutil.copytree(segments[kind], broken)
    headers = [i for i in range(len(whole)) if whole[i : i + 2] in (b'{"', b"\x01\x00", b"\x01\x01", b"\x02\x01")]
    dice = random.Random(20)
    errors = 0
    for _ in range(400):
        data = bytearray(whole)
        near = dice.choice(headers) + dice.randrange(24) if dice.random() < 0.8 else dice.randrange(len(whole))
        for at in range(near, min(near + dice.choice([1, 1, 2, 4]), len(whole))):
            data[at] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)])
        (broken / "00000.smoosh").write_bytes(data)
        errors += "corrupt" in outcome(broken)
    assert errors > 50


def outcome(folder):
    """Anything but our own error, and the process itself dying, fails the test."""
    try:
        return f"read {read_everything(folder)}"
    except DruidException as e:
        return e.message


@pytest.mark.parametrize("kind", SPECS)
def test_a_file_that_is_cut_off_is_noticed_when_it_is_opened(kind, segments, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(segments[kind], broken)
    whole = (broken / "00000.smoosh").read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        (broken / "00000.smoosh").write_bytes(whole[:size])
        with pytest.raises(DruidException, match=r"corrupt in \[00000.smoosh\]"):
            QueryableIndex.open(broken)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("version.bin", b"\0\0\0\x0a"),
        ("version.bin", b""),
        ("meta.smoosh", b""),
        ("meta.smoosh", b"v2,1,1\n"),
        ("meta.smoosh", b"v1,2147483647,1\n__time,0,0\n"),
        ("meta.smoosh", b"v1,2147483647,1\n__time,0,10,5\n"),
        ("meta.smoosh", b"v1,2147483647,1\n__time,0,-1,5\n"),
        ("meta.smoosh", b"v1,2147483647,1\n__time,0,0,x\n"),
        ("meta.smoosh", b"v1,2147483647,1\n__time,1,0,5\n"),
        ("meta.smoosh", b"v1,2147483647,1\nother,0,0,5\n"),
        ("meta.smoosh", b"\xff\xfe"),
    ],
)
def test_a_broken_container_is_noticed_when_it_is_opened(file, content, segments, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(segments["lz4"], broken)
    (broken / file).write_bytes(content)
    with pytest.raises(DruidException, match="corrupt"):
        QueryableIndex.open(broken)


def test_a_directory_that_is_no_segment(tmp_path):
    with pytest.raises(DruidException, match="not a segment directory"):
        QueryableIndex.open(tmp_path)
    with pytest.raises(DruidException, match="not a segment directory"):
        QueryableIndex.open(tmp_path / "absent")


def damage(segments, tmp_path, column, change):
    """Change the bytes of one column's file; returns the opened segment."""
    broken = tmp_path / "broken"
    shutil.copytree(segments["lz4"], broken)
    line = next(x for x in (broken / "meta.smoosh").read_text().split("\n") if x.startswith(f"{column},"))
    start, end = (int(x) for x in line.split(",")[2:])
    data = bytearray((broken / "00000.smoosh").read_bytes())
    data[start:end] = change(bytes(data[start:end]))
    (broken / "00000.smoosh").write_bytes(data)
    return QueryableIndex.open(broken, DecodedColumnCache())


def test_a_damaged_column_leaves_the_others_readable(segments, tmp_path):
    index = damage(segments, tmp_path, "s", lambda data: b"\xff" * 40 + data[40:])
    with pytest.raises(DruidException, match=r"corrupt in \[s\]"):
        index.column("s")
    assert len(index.column("d").values(0, index.num_rows)) == 20_000


def test_a_column_of_another_length_is_refused(segments, tmp_path):
    def fewer(data):
        at = data.index(b"\x02" + (20_000).to_bytes(4, "big"))
        return data[: at + 1] + (19_999).to_bytes(4, "big") + data[at + 5 :]

    with pytest.raises(DruidException, match=r"\[d\]: 19999 rows, but the segment has 20000"):
        damage(segments, tmp_path, "d", fewer).column("d")


def test_claims_of_huge_sizes_allocate_nothing(segments, tmp_path):
    def huge(data):
        at = data.index(b"\x02" + (20_000).to_bytes(4, "big"))
        return data[: at + 1] + (2**31 - 1).to_bytes(4, "big") + data[at + 5 :]

    tracemalloc.start()
    with pytest.raises(DruidException, match=r"\[__time: values\]"):
        damage(segments, tmp_path, "__time", huge)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_code_outside_the_dictionary_never_reaches_an_engine(tmp_path):
    folder = tmp_path / "s"
    write_segment(
        folder,
        interval=Interval(0, 10),
        columns=[LongData("__time", np.arange(3)), StringData("s", ["a", "b"], np.array([0, 1, 0]))],
        dimensions=["s"],
        metrics=[],
        index_spec=IndexSpec(dimension_compression="uncompressed"),
    )
    data = (folder / "00000.smoosh").read_bytes()
    assert data.count(b"\0\x01\0\0\0\x06\0\x01\0\0\0\0") == 1
    changed = data.replace(b"\0\x01\0\0\0\x06\0\x01\0\0\0\0", b"\0\x01\0\0\0\x06\0\x07\0\0\0\0")
    (folder / "00000.smoosh").write_bytes(changed)
    index = QueryableIndex.open(folder, DecodedColumnCache())
    with pytest.raises(DruidException, match=r"\[s: codes\]: code 7 in a dictionary of 2"):
        index.column("s").codes(0, 3)
