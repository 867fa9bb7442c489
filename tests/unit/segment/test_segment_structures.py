"""The structures that segments are made of, byte by byte, from examples of the format's description."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from nemeton.common.errors import DruidException
from nemeton.segment.array_dictionary import read_int_arrays
from nemeton.segment.bitmaps import concise_rows, read_bitmap
from nemeton.segment.blobs import BlockFile
from nemeton.segment.bytereader import ByteReader
from nemeton.segment.codes import read_multi, read_single
from nemeton.segment.dictionary import read_dictionary
from nemeton.segment.encode_longs import pack
from nemeton.segment.fixed_indexed import FixedIndexed
from nemeton.segment.generic_indexed import GenericIndexed, encode_list
from nemeton.segment.java_order import java_argsort, java_key, java_sort_key
from nemeton.segment.lzf import lzf_decompress
from nemeton.segment.numbers import BIT_WIDTHS, read_numbers, unpack
from nemeton.segment.pairs import read_string_pairs
from nemeton.segment.smoosh import SmooshReader, SmooshWriter


def reader(data: bytes | str) -> ByteReader:
    return ByteReader(memoryview(bytes.fromhex(data) if isinstance(data, str) else data), "test")


def read_all(dictionary):
    values = [dictionary.get(i) for i in range(len(dictionary))]
    assert dictionary.to_arrow().to_pylist() == values
    for code, value in enumerate(values):
        assert dictionary.index_of(value) == code
    with pytest.raises(IndexError):
        dictionary.get(len(values))
    return values


# lists ---------------------------------------------------------------------------------------------------------------

NULL_3_TWO = "01 01 00000020 00000003 00000004 00000009 00000010 ffffffff 00000000 33 00000000 74776f"


def test_a_list_of_strings():
    assert read_all(read_dictionary(reader(NULL_3_TWO), None, "<")) == [None, "3", "two"]
    assert b"".join(encode_list([None, b"3", b"two"], True)) == bytes.fromhex(NULL_3_TWO)


def test_an_empty_list():
    empty = "01 00 00000004 00000000"
    assert len(GenericIndexed.read(reader(empty))) == 0
    assert b"".join(encode_list([])) == bytes.fromhex(empty)


def test_an_empty_value_is_not_null():
    found = GenericIndexed.read(reader(b"".join(encode_list([None, b""]))))
    assert found.get(0) is None
    assert found.get(1) == b""


def test_a_list_spread_over_files(tmp_path):
    """Version 2: 2^2 values a file, whose offsets start anew and are little-endian."""
    values = [None, *(f"v{i:03d}".encode() for i in range(9))]
    writer = SmooshWriter(tmp_path)
    ends = []
    for file in range(3):
        elements = values[4 * file : 4 * file + 4]
        pieces = [(b"\xff" if v is None else b"\0") * 4 + (v or b"") for v in elements]
        writer.add(f"s_value_{file}", pieces)
        ends += np.cumsum([len(p) for p in pieces]).tolist()
    writer.add("s_header", [np.array(ends, "<i4").tobytes()])
    writer.finish()
    (tmp_path / "version.bin").write_bytes(b"\0\0\0\x09")
    data = reader("02 01 00000002 0000000a 00000001 73")
    dictionary = read_dictionary(data, SmooshReader.open(tmp_path), "<")
    assert read_all(dictionary) == [v.decode() if v is not None else None for v in values]


@pytest.mark.parametrize(
    "data",
    [
        "03 01 00000004 00000000",
        "01 01 00000020 00000003 00000004",
        "01 01 7fffffff 00000000",
        "01 01 80000000 00000000",
        "01 01 00000004 ffffffff",
        "01 01 00000008 00000001 00000004",
        "01 01 0000000c 00000001 00000003 00000000",
        "01 01 00000004 00000000",
    ],
)
def test_broken_dictionaries(data):
    with pytest.raises(DruidException, match="corrupt"):
        read_dictionary(reader(data), None, "<").to_arrow()


# dictionaries --------------------------------------------------------------------------------------------------------


def test_front_coded_against_the_previous_value():
    data = "7f01 01 04 00 85 a6 1c000000" + "85" + b"alpha".hex() + "8084" + b"beta".hex() + "8085" + b"delta".hex()
    data += "8087" + b"epsilon".hex() + "85" + b"gamma".hex()
    assert read_all(read_dictionary(reader(data), None, "<")) == ["alpha", "beta", "delta", "epsilon", "gamma"]


def test_front_coded_with_null_and_shared_prefixes():
    data = "7f01 01 04 01 86 96 0c000000" + "80" + "8082" + b"V3".hex() + "8082" + b"v1".hex() + "828130"
    data += "82" + b"v2".hex() + "8081" + b"w".hex()
    assert read_all(read_dictionary(reader(data), None, "<")) == [None, "", "V3", "v1", "v10", "v2", "w"]


def test_front_coded_against_the_first_value():
    data = "7f01 00 04 00 83 8b" + "83" + b"abc".hex() + "8281" + b"d".hex() + "8281" + b"e".hex()
    assert read_all(read_dictionary(reader(data.replace("8b", "8a")), None, "<")) == ["abc", "abd", "abe"]


def test_bytes_that_are_no_text_read_as_java_reads_them():
    dictionary = read_dictionary(reader(b"".join(encode_list([b"a", b"b\xff"], True))), None, "<")
    assert dictionary.to_arrow().to_pylist() == ["a", "b\ufffd"]
    assert dictionary.get(1) == "b\ufffd"


def utf16(value):
    return value.encode("utf-16-be")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), unique=True))
def test_java_order_is_the_order_of_utf16(values):
    wanted = sorted(values, key=utf16)
    assert sorted(values, key=java_sort_key) == wanted
    assert sorted(values, key=lambda v: java_key(v.encode())) == wanted
    array = pa.array([None, *values], pa.string())
    assert [array[int(i)].as_py() for i in java_argsort(array)] == [None, *wanted]
    assert [array[1:][int(i)].as_py() for i in java_argsort(array[1:])] == wanted


# codes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_plain_codes_are_big_endian(width):
    codes = np.array([2, 1, 4], f">u{min(width, 4) if width != 3 else 4}")
    raw = codes.tobytes() if width != 3 else codes.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    data = bytes([0, width]) + (3 * width + 4 - width).to_bytes(4, "big") + raw + bytes(4 - width)
    found = read_single(reader(data), None, "<")
    assert found.total == 3
    assert found.read(0, 3).tolist() == [2, 1, 4]
    assert found.read(1, 2).tolist() == [1]


def test_plain_lists_of_codes():
    data = "01 01 00000016 00000003 00000002 00000002 00000003 05 06 07 000000".replace("16", "16")
    size = (4 + 3 * 4 + 3 + 3).to_bytes(4, "big").hex()
    found = read_multi(reader(data.replace("00000016", size, 1)), None, "<")
    assert found.read_offsets().tolist() == [0, 2, 2, 3]
    assert found.values.read(0, 3).tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    "data",
    ["05", "00 05 00000003 000000", "00 02 00000001 00", "02 01 00000001 00000003 01 0100000000040000 0000"],
)
def test_broken_codes(data):
    with pytest.raises(DruidException, match="corrupt"):
        read_single(reader(data), None, "<")


# numbers -------------------------------------------------------------------------------------------------------------


def test_longs_without_compression_are_views():
    data = bytes.fromhex("02 00000003 00000000 fe") + np.array([1, -2, 3], "<i8").tobytes()
    assert read_numbers(reader(data), None, "i8", "<").read(0, 3).tolist() == [1, -2, 3]


def test_big_endian_numbers():
    data = bytes.fromhex("02 00000002 00000000 fe") + np.array([1.5, -2], ">f8").tobytes()
    found = read_numbers(reader(data), None, "f8", ">")
    assert found.read(0, 2).tolist() == [1.5, -2]
    assert found.read(0, 2).dtype == np.dtype("=f8")


@pytest.mark.parametrize("bits", BIT_WIDTHS)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 1000])
def test_packing_is_undone_by_unpacking(bits, count):
    top = 2**bits - 1
    values = np.random.default_rng(bits).integers(0, top, count, dtype=np.uint64, endpoint=True)
    packed = pack(values, bits)
    assert len(packed) == -(-count * bits // 8) + 4
    assert unpack(memoryview(packed), count, bits).tolist() == values.tolist()


def test_packing_is_big_endian():
    assert pack(np.array([1, 2, 3], np.uint64), 12).hex() == "001002" + "0030" + "00000000"
    assert pack(np.array([1, 0, 1], np.uint64), 1).hex() == "a0" + "00000000"


@pytest.mark.parametrize(
    "data",
    [
        "03 00000001 00000001 01",
        "02 00000001 00000001 07",
        "02 00000001 00000001 83 05 01",
        "02 00000001 00000001 83 00 01 0000000000000000 0000000d",
        "02 00000001 00000001 83 01 01 00000101",
        "02 ffffffff 00000001 01",
    ],
)
def test_broken_numbers(data):
    with pytest.raises(DruidException, match="corrupt"):
        read_numbers(reader(data), None, "i8", "<")


# bitmaps -------------------------------------------------------------------------------------------------------------


def test_concise_fills_and_literals():
    data = memoryview(bytes.fromhex("40000284 8000001f"))
    assert concise_rows(data, 20_000, "b").tolist() == list(range(20_000))


@given(st.sets(st.integers(0, 3000)))
def test_concise_literals(rows):
    groups = max(rows, default=-1) // 31 + 1
    words = [0x80000000 | sum(1 << (r % 31) for r in rows if r // 31 == g) for g in range(groups)]
    data = np.array(words, ">u4").tobytes()
    assert read_bitmap(memoryview(data), True, 3001, "b") == BitMap(rows)


def test_concise_fills_with_one_bit_flipped():
    zeros_but_4 = (5 << 25) | 2  # three groups of zeros, row 4 of the first is set
    ones_but_0 = (1 << 30) | (1 << 25) | 0
    data = np.array([zeros_but_4, ones_but_0], ">u4").tobytes()
    assert concise_rows(memoryview(data), 200, "b").tolist() == [4, *range(94, 124)]


@pytest.mark.parametrize(
    ("data", "is_concise"),
    [("3b3000", False), ("00", True), ("01ffffff", True), ("3a300000 01000000 0000 0000 10000000 ff00", False)],
)
def test_broken_bitmaps(data, is_concise):
    with pytest.raises(DruidException, match="corrupt"):
        read_bitmap(memoryview(bytes.fromhex(data)), is_concise, 100, "b")


# lzf -----------------------------------------------------------------------------------------------------------------


def test_lzf_chunks():
    raw = b"ZV\x00\x00\x03abc"
    packed = b"ZV\x01\x00\x07\x00\x0a" + b"\x02abc" + b"\xa0\x02" + b"\x00"  # abc, then seven bytes from three back
    assert lzf_decompress(memoryview(raw), 3) == b"abc"
    with pytest.raises(ValueError, match="LZF"):
        lzf_decompress(memoryview(packed), 100)
    packed = b"ZV\x01\x00\x06\x00\x0a" + b"\x02abc" + b"\xa0\x02"
    assert lzf_decompress(memoryview(packed + raw), 100) == b"abcabcabcaabc"
    with pytest.raises(ValueError, match="more than 5 bytes"):
        lzf_decompress(memoryview(packed), 5)


@pytest.mark.parametrize("data", [b"XX", b"ZV\x02\x00\x01a", b"ZV\x00\x00\x09abc", b"ZV\x01\x00\x02\x00\x05\x20\x09"])
def test_broken_lzf(data):
    with pytest.raises(ValueError, match="LZF"):
        lzf_decompress(memoryview(data), 100)


# dictionaries of numbers and arrays ----------------------------------------------------------------------------------


def test_a_dictionary_of_longs():
    found = FixedIndexed.read(reader("00 02 02000000 0100000000000000 0200000000000000"), "<", "i8")
    assert (found.to_list(), len(found)) == ([1, 2], 2)
    with_null = FixedIndexed.read(reader("00 03 01000000 000000000000f03f"), "<", "f8")
    assert (with_null.to_list(), len(with_null)) == ([None, 1.0], 2)


@pytest.mark.parametrize("data", ["01 02 00000000", "00 04 00000000", "00 02 ffffffff", "00 02 02000000 01000000"])
def test_a_broken_dictionary_of_longs(data):
    with pytest.raises(DruidException, match="corrupt"):
        FixedIndexed.read(reader(data), "<", "i8")


ARRAYS = "82 00000000 03000000 80 82 01000000 02000000 80 81 02000000 80 81 04000000"


def test_a_dictionary_of_arrays():
    body = bytes.fromhex(ARRAYS)
    whole = bytes.fromhex("00 04 00 84") + bytes([0x80 | len(body)]) + body
    assert read_int_arrays(reader(whole), "<") == [[0, 3], [1, 2], [2], [4]]
    assert read_int_arrays(reader("00 04 00 80 80"), "<") == []


@pytest.mark.parametrize("data", ["01 04 00 80 80", "00 08 00 80 80", "00 04 00 82 81 80", "00 04 00 82 83 80 81 80"])
def test_a_broken_dictionary_of_arrays(data):
    with pytest.raises(DruidException, match="corrupt"):
        read_int_arrays(reader(data), "<")


def test_pairs_with_strings():
    first = (1000).to_bytes(8, "big") + (3).to_bytes(4, "big") + b"abc"
    null = (2000).to_bytes(8, "big") + (0).to_bytes(4, "big")
    listed = GenericIndexed.read(reader(b"".join(encode_list([first, null, b""]))))
    assert read_string_pairs(listed) == [(1000, "abc"), (2000, None), None]


@pytest.mark.parametrize(
    ("blocks", "total", "fits"), [(0, 0, True), (1, 0, True), (1, 9, True), (0, 9, False), (2, 0, False)]
)
def test_a_block_file_has_as_many_blocks_as_its_bytes_need(blocks, total, fits):
    data = b"\x01\xff" + (65536).to_bytes(4, "big") + blocks.to_bytes(4, "big") + bytes(4 * blocks)
    file = BlockFile.read_from(ByteReader(memoryview(data), "x"), "<")
    if fits:
        file.check_size(total)
    else:
        with pytest.raises(DruidException, match=r"corrupt in \[x\]"):
            file.check_size(total)
