"""The input formats of core: the suite that every format passes, and what is particular to each."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.ingest.documents import decode_documents, encode_documents
from nemeton.ingest.formats.csv_format import CsvInputFormat
from nemeton.ingest.formats.csv_lines import is_regular, values_of
from nemeton.ingest.formats.json_lines import JsonInputFormat
from nemeton.ingest.formats.tsv_format import DelimitedInputFormat
from nemeton.spi.ingest import InputFormat, InputRowSchema
from nemeton.testkit.suites.input_format import InputFormatSuite, Problems, rows_of

OPENCSV = json.loads((Path(__file__).parents[2] / "data" / "reference" / "ingest" / "csv_lines.json").read_text())
ROWS = [{"a": "1", "b": "x"}, {"a": "2", "b": ["y", "z"]}, {"b": "ü"}]


class TestCsv(InputFormatSuite):
    @pytest.fixture
    def input_format(self) -> InputFormat:
        return CsvInputFormat(find_columns_from_header=True, list_delimiter="|")

    @pytest.fixture
    def sample(self) -> bytes:
        return "a,b\n1,x\n2,y|z\n,ü\n".encode()

    @pytest.fixture
    def rows(self) -> list[dict[str, Any]]:
        return ROWS

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('1,"x,y"\n', {"a": "1", "b": "x,y"}),
            ('1,"x ""y"""\n', {"a": "1", "b": 'x "y"'}),
            ('1,"x"y"\n', {"a": "1", "b": 'x"y'}),
            ('"1"x,""\n', {"a": '1"x,"'}),
            ('1,""\n', {"a": "1", "b": ""}),
            ("1\n", {"a": "1"}),
            ("1,2,3\n", {"a": "1", "b": "2"}),
            ("1,2\r\n", {"a": "1", "b": "2"}),
            ('1,x"y\n', {"a": "1", "b": 'x"y'}),
        ],
    )
    def test_values(self, text: str, expected: dict[str, str]) -> None:
        assert rows_of(CsvInputFormat(columns=["a", "b"]), text.encode()) == [expected]

    @pytest.mark.parametrize("size", [5, 16, 33, 100, 10_000])
    def test_each_line_is_a_record_whatever_stands_in_quotes(self, size: int) -> None:
        text = "".join(f'{i},"line\n{i}"\n' for i in range(50))
        expected = [row for i in range(50) for row in ({"a": str(i), "b": '"line'}, {"a": f'{i}"'})]
        assert rows_of(CsvInputFormat(columns=["a", "b"], chunk_bytes=size), text.encode()) == expected

    def test_lines_are_read_as_opencsv_reads_them(self) -> None:
        """Recorded from the parser that Druid has; one line at a time, as some take the fast way and some do not."""
        names = [f"c{i}" for i in range(13)]
        for line, values in OPENCSV:
            wanted = {name: value for name, value in zip(names, values, strict=False) if value is not None}
            assert rows_of(CsvInputFormat(columns=names), f"{line}\nend\n".encode()) == [wanted, {"c0": "end"}], line

    @given(st.lists(st.lists(st.text('",ab\r', max_size=5), min_size=2, max_size=4), min_size=1, max_size=6))
    @settings(deadline=None, max_examples=200, derandomize=True)
    def test_what_a_writer_of_csv_writes_comes_back(self, rows: list[list[str]]) -> None:
        """All in one chunk: the fast way and the exact one give the same."""
        out = io.StringIO()
        csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
        text = out.getvalue()
        assert is_regular(text.encode())
        names = ["a", "b", "c", "d"]
        found = rows_of(CsvInputFormat(columns=names), text.encode())
        assert found == [dict(zip(names, row, strict=False)) for row in rows]
        assert [values_of(line) for line in text.split("\n")[:-1]] == rows

    def test_a_line_break_in_quotes_and_bytes_that_are_no_text_are_seen_in_a_long_chunk(self) -> None:
        """Both are looked for after the fast way has read the chunk."""
        rows = [{"a": "a", "b": "b,c"}] * 5_000
        text = b'"a","b,c"\n' * 5_000
        read = CsvInputFormat(columns=["a", "b"])
        assert rows_of(read, text + b'"x","y\nz"\n') == [*rows, {"a": "x", "b": '"y'}, {"a": 'z"'}]
        assert rows_of(read, text + b'"x\xff",y\n') == [*rows, {"a": "x\ufffd", "b": "y"}]
        assert rows_of(read, b"\n" + text)[-5_000:] == rows

    def test_quotes_are_looked_at_to_the_end_of_a_long_chunk(self) -> None:
        text = b'"a","b,c"\n' * 50_000
        assert is_regular(text)
        assert not is_regular(text + b'"a"x,"b"\n')
        assert not is_regular(text + b'"a,"b\n",c"\n')

    def test_header_and_skipped_lines(self) -> None:
        text = b"\xef\xbb\xbfjunk\na,b\n1,2\n"
        assert rows_of(CsvInputFormat(find_columns_from_header=True, skip_header_rows=1), text) == [
            {"a": "1", "b": "2"}
        ]

    def test_columns_are_needed(self) -> None:
        with pytest.raises(DruidException, match="Either .columns. or .findColumnsFromHeader."):
            CsvInputFormat()


class TestTsv(InputFormatSuite):
    @pytest.fixture
    def input_format(self) -> InputFormat:
        return DelimitedInputFormat(columns=["a", "b"], list_delimiter="~")

    @pytest.fixture
    def sample(self) -> bytes:
        return "1\tx\n2\ty~z\n\tü\n".encode()

    @pytest.fixture
    def rows(self) -> list[dict[str, Any]]:
        return ROWS

    def test_quotes_are_characters(self) -> None:
        assert rows_of(DelimitedInputFormat(columns=["a"]), b'"x\n') == [{"a": '"x'}]

    @pytest.mark.parametrize("delimiter", ["|", "::"])
    def test_delimiters(self, delimiter: str) -> None:
        text = f"1{delimiter}x{delimiter}y\n".encode()
        found = rows_of(DelimitedInputFormat(columns=["a", "b", "c"], delimiter=delimiter), text)
        assert found == [{"a": "1", "b": "x", "c": "y"}]


class TestJson(InputFormatSuite):
    @pytest.fixture
    def input_format(self) -> InputFormat:
        return JsonInputFormat()

    @pytest.fixture
    def sample(self) -> bytes:
        return '{"a":1,"b":"x"}\n{"a":2,"b":["y","z"]}\n{"b":"ü","n":{"o":1}}\n'.encode()

    @pytest.fixture
    def rows(self) -> list[dict[str, Any]]:
        return ROWS

    @pytest.fixture
    def broken_sample(self) -> tuple[bytes, int] | None:
        return b'{"a":1}\n{"a":\nnothing\n{"a":1,}\n{"a":2}\n', 3

    @pytest.mark.parametrize("text", ["[1]", "5", "null", '"x"'])
    def test_what_is_no_object_is_a_record_without_fields(self, text: str) -> None:
        found = rows_of(JsonInputFormat(), f'{{"a":1}}\n{text}\n{{"a":2}}\n'.encode())
        assert found == [{"a": "1"}, {}, {"a": "2"}]

    def test_infinite_numbers_among_texts_and_in_documents(self) -> None:
        values = [math.inf, "x", [-math.inf, None, {"b": math.inf, "c": [None]}], {"d": None}, None, 1]
        assert list(decode_documents(encode_documents("a", values))) == values

    def test_texts_that_look_like_dates_stay_texts(self) -> None:
        text = b'{"t":"2013-01-01","u":["2013-01-01 10:00:00"]}\n'
        assert rows_of(JsonInputFormat(), text) == [{"t": "2013-01-01", "u": "2013-01-01 10:00:00"}]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("5", "5"), ("5.0", "5.0"), ("1e10", "1.0E10"), ("true", "true"), ('""', ""), ("[1.5,null]", ["1.5", "none"])],
    )
    def test_values_as_strings(self, text: str, expected: Any) -> None:
        found = rows_of(JsonInputFormat(), f'{{"a":{text},"b":"x"}}\n'.encode())
        assert str(found[0]["a"]).lower() == str(expected).lower()

    def test_mixed_types_keep_their_spelling(self) -> None:
        text = b'{"a":1}\n{"a":"x"}\n{"a":1.5}\n'
        assert rows_of(JsonInputFormat(), text) == [{"a": "1"}, {"a": "x"}, {"a": "1.5"}]

    def test_longs_are_exact(self) -> None:
        schema = InputRowSchema(columns={"a": "LONG"})
        frames = list(JsonInputFormat().batches(cast(Any, io.BytesIO(b'{"a":9007199254740993}\n')), schema, Problems()))
        assert frames[0]["a"].to_list() == [9007199254740993]
