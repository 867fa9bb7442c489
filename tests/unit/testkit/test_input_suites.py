"""Core's own input sources and formats keep the promises of the suites."""

from __future__ import annotations

import functools
import http.server
import threading

import pytest

from nemeton.ingest.formats.csv_format import CsvInputFormat
from nemeton.ingest.formats.json_lines import JsonInputFormat
from nemeton.ingest.formats.tsv_format import DelimitedInputFormat
from nemeton.ingest.sources.http import HttpInputSource, HttpInputSourceConfig
from nemeton.ingest.sources.inline import InlineInputSource
from nemeton.ingest.sources.local import LocalInputSource
from nemeton.testkit.suites.input_format import InputFormatSuite
from nemeton.testkit.suites.input_source import InputSourceSuite

CONTENTS = {"a.csv": b"x,1\n", "b.csv": "ü,2\n".encode(), "c.csv": b"z,3\n" * 1000}


@pytest.fixture
def folder(tmp_path):
    for name, data in CONTENTS.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


class TestLocal(InputSourceSuite):
    @pytest.fixture
    def source(self, folder):
        return LocalInputSource(base_dir=str(folder), filter="*.csv")

    @pytest.fixture
    def contents(self):
        return list(CONTENTS.values())

    @pytest.fixture
    def missing_source(self, tmp_path):
        return LocalInputSource(files=(str(tmp_path / "nowhere.csv"),))


class TestInline(InputSourceSuite):
    @pytest.fixture
    def source(self):
        return InlineInputSource("ü,1\nb,2\n")

    @pytest.fixture
    def contents(self):
        return ["ü,1\nb,2\n".encode()]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class TestHttp(InputSourceSuite):
    @pytest.fixture
    def address(self, folder):
        handler = functools.partial(_Quiet, directory=str(folder))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()

    @pytest.fixture
    def source(self, address):
        return HttpInputSource(uris=[f"{address}/{name}" for name in CONTENTS])

    @pytest.fixture
    def contents(self):
        return list(CONTENTS.values())

    @pytest.fixture
    def missing_source(self, address):
        return HttpInputSource(uris=[f"{address}/nowhere.csv"])

    @pytest.fixture
    def injected(self):
        return {HttpInputSourceConfig: HttpInputSourceConfig()}


ROWS = [{"name": "ü", "n": "1", "tags": ["p", "q"]}, {"name": "b", "n": "2"}, {"name": "c", "n": "3", "tags": "r"}]


class TestCsv(InputFormatSuite):
    @pytest.fixture
    def input_format(self):
        return CsvInputFormat(find_columns_from_header=True, list_delimiter="|")

    @pytest.fixture
    def sample(self):
        return "name,n,tags\nü,1,p|q\nb,2,\nc,3,r\n".encode()

    @pytest.fixture
    def rows(self):
        return ROWS


class TestTsv(InputFormatSuite):
    @pytest.fixture
    def input_format(self):
        return DelimitedInputFormat(columns=["name", "n", "tags"], list_delimiter="|")

    @pytest.fixture
    def sample(self):
        return "ü\t1\tp|q\nb\t2\t\nc\t3\tr\n".encode()

    @pytest.fixture
    def rows(self):
        return ROWS


class TestJson(InputFormatSuite):
    @pytest.fixture
    def input_format(self):
        return JsonInputFormat()

    @pytest.fixture
    def sample(self):
        return '{"name":"ü","n":1,"tags":["p","q"]}\n{"name":"b","n":2}\n{"name":"c","n":3,"tags":"r"}\n'.encode()

    @pytest.fixture
    def rows(self):
        return ROWS

    @pytest.fixture
    def broken_sample(self):
        return b'{"name":"x"}\n{"name":\nnothing\n{"name":"y"}\n', 2
