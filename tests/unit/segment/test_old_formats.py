"""Formats that Druid 33 reads and no longer writes, or writes only for columns beyond 2 GiB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.segment.old_formats import read_files, reshaped, spread_lists, write_files

from nemeton.common.errors import DruidException
from nemeton.segment.columns import NumericColumn, StringColumn
from nemeton.segment.rows import json_rows
from nemeton.segment.zipped import unpack_zip

DATA = Path(__file__).parents[2] / "data" / "segments"


def unpacked(name, folder):
    folder.mkdir()
    unpack_zip(DATA / name / "index.zip", folder)
    return folder


def test_documents_of_druid_24(tmp_path, open_index):
    index = open_index(unpacked("documents_v3", tmp_path / "s"))
    index.check()
    assert str(index.column_type("shipTo")) == "COMPLEX<json>"
    rows = list(json_rows(index, ["product", "shipTo", "details"]))
    assert [row["shipTo"]["lastName"] for row in rows] == ["Cole", "Wuckert", "Brekke", "Rempel", "Beatty"]
    assert rows[0]["details"] == {"color": "sky blue", "price": 542.0}
    assert rows[1]["shipTo"]["phoneNumbers"][1] == {"type": "secondary", "number": "638-372-1210"}


def test_documents_of_druid_25(tmp_path, open_index):
    index = open_index(unpacked("documents_v4", tmp_path / "s"))
    index.check()
    (row,) = json_rows(index, ["product", "shipTo", "details"])
    assert (row["product"], row["shipTo"]["lastName"]) == ("Keyboard", "Beatty")
    assert row["details"] == {"color": "plum", "price": 40.0}


@pytest.fixture(scope="module")
def original(golden_segments):
    return max(golden_segments["mixed"], key=lambda folder: (folder / "00000.smoosh").stat().st_size)


@pytest.fixture(scope="module")
def folder(original, tmp_path_factory):
    return reshaped(original, tmp_path_factory.mktemp("old") / "s")


def test_the_same_rows_in_lists_of_version_2_and_several_chunks(original, folder, open_index):
    assert len(list(folder.glob("*.smoosh"))) > 3
    old, today = open_index(folder), open_index(original)
    old.check()
    names = today.column_names
    assert list(json_rows(old, names)) == list(json_rows(today, names))
    for name in ("low", "uni"):
        for code in range(today.column(name).cardinality):
            assert old.column(name).bitmap(code) == today.column(name).bitmap(code)
            assert old.column(name).index_of(today.column(name).lookup(code)) == code


def test_documents_that_are_all_numbers_are_a_column_of_numbers(folder, open_index):
    index = open_index(folder)
    column = index.column("old_long")
    assert isinstance(column, NumericColumn)
    assert str(column.type) == "LONG"
    rows = np.arange(index.num_rows)
    nulls = rows % 7 == 3
    assert (column.nulls(0, index.num_rows) == nulls).all()
    assert (column.values(0, index.num_rows) == np.where(nulls, 0, rows * rows % 11)).all()


def test_documents_that_are_all_texts_are_a_column_of_strings(folder, open_index):
    index = open_index(folder)
    column = index.column("old_text")
    assert isinstance(column, StringColumn)
    expected = [None if row % 5 == 2 else f"t{row % 13}" for row in range(index.num_rows)]
    assert column.lookup_many(column.codes(0, index.num_rows)).tolist() == expected
    assert list(column.bitmap(column.index_of("t3"))) == [row for row, text in enumerate(expected) if text == "t3"]


@pytest.mark.parametrize("missing", ["low.dim_values_header", "low.dim_values_value_0", "low.inverted_value_0"])
def test_a_file_of_a_list_that_is_gone_is_named(missing, original, tmp_path, open_index):
    files = read_files(original)
    spread_lists(files, "low")
    assert files.pop(missing) is not None
    index = open_index(write_files(files, tmp_path / "s", 2**31 - 1))
    with pytest.raises(DruidException, match=rf"is corrupt in .*there is no internal file \[{missing}\]"):
        index.check()


def test_a_spatial_index_is_recognised_and_passed_over(original, tmp_path, open_index):
    tree = b"\0" + (2).to_bytes(4, "big") + bytes(40)
    files = read_files(original)
    files["low"] += len(tree).to_bytes(4, "big") + tree
    index = open_index(write_files(files, tmp_path / "s", 2**31 - 1))
    assert index.column("low").spatial_dimensions == 2
    today = open_index(original)
    assert list(json_rows(index, ["low"])) == list(json_rows(today, ["low"]))


@pytest.mark.parametrize("tail", [b"\0", b"\0\0\0\5\0", b"\0\0\0\5\1\0\0\0\2", b"\0\0\0\5\0\0\0\0\0"])
def test_bytes_after_the_bitmaps_that_are_no_tree_are_damage(tail, original, tmp_path, open_index):
    files = read_files(original)
    files["low"] += tail
    index = open_index(write_files(files, tmp_path / "s", 2**31 - 1))
    with pytest.raises(DruidException, match=r"is corrupt in \[low: spatial index\]"):
        index.column("low")
