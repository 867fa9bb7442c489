"""The input sources of core."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.unit.ingest.helpers import Ingested, converter, inline_spec

from nemeton.common.errors import DruidException
from nemeton.ingest.sources.combining import CombiningInputSource
from nemeton.ingest.sources.http import HttpInputSource, HttpInputSourceConfig
from nemeton.ingest.sources.inline import InlineInputSource
from nemeton.ingest.sources.local import LocalInputSource
from nemeton.spi.ingest import InputSource
from nemeton.testkit.suites.input_source import InputSourceSuite


class TestInline(InputSourceSuite):
    @pytest.fixture
    def source(self) -> InputSource:
        return InlineInputSource("a,ü\n")

    @pytest.fixture
    def contents(self) -> list[bytes]:
        return ["a,ü\n".encode()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("b.csv", "a.csv", "sub/c.csv", "d.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "empty.csv").touch()
    return tmp_path


class TestLocal(InputSourceSuite):
    @pytest.fixture
    def source(self, folder: Path) -> InputSource:
        return LocalInputSource(base_dir=str(folder), filter="*.csv")

    @pytest.fixture
    def contents(self) -> list[bytes]:
        return [b"a.csv", b"b.csv", b"sub/c.csv"]

    @pytest.fixture
    def missing_source(self, folder: Path) -> InputSource | None:
        return LocalInputSource(files=[str(folder / "none")])

    def test_nothing_that_matches_is_an_empty_input(self, folder: Path) -> None:
        assert list(LocalInputSource(base_dir=str(folder), filter="*.x").entities()) == []

    def test_a_folder_that_is_not_there(self, folder: Path) -> None:
        with pytest.raises(DruidException, match="is not an existing folder"):
            list(LocalInputSource(base_dir=str(folder / "none"), filter="*").entities())

    def test_splits(self, source: InputSource, contents: list[bytes]) -> None:
        splits = list(source.splits(max_bytes=10, max_entities=10))
        assert [entity.open().read() for split in splits for entity in split.entities()] == contents
        assert len(splits) == 2


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.func.log_message = lambda *args: None  # type: ignore[method-assign]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join(10)


class TestHttp(InputSourceSuite):
    @pytest.fixture
    def source(self, server: str) -> InputSource:
        return HttpInputSource(uris=[f"{server}/a.csv", f"{server}/sub/c.csv"])

    @pytest.fixture
    def contents(self) -> list[bytes]:
        return [b"a.csv", b"sub/c.csv"]

    @pytest.fixture
    def injected(self) -> Mapping[type, object]:
        return {HttpInputSourceConfig: HttpInputSourceConfig()}

    @pytest.fixture
    def missing_source(self, server: str) -> InputSource | None:
        return HttpInputSource(uris=[f"{server}/none"])

    @pytest.mark.parametrize("uri", ["ftp://x/y", "file:///x", "x"])
    def test_other_protocols_are_refused(self, uri: str) -> None:
        with pytest.raises(DruidException, match=r"Only \[https\] protocols are allowed"):
            HttpInputSource(uris=[uri], config=HttpInputSourceConfig(allowed_protocols=["HTTPS"]))

    def test_credentials_are_not_shown(self) -> None:
        source = HttpInputSource(uris=["http://user:secret@host/x"], user="u", password="geheim")
        entity = next(iter(source.entities()))
        assert entity.uri == "http://host/x"
        assert "geheim" not in repr(source)
        assert "secret" not in entity.uri

    def test_headers_are_bound(self) -> None:
        with pytest.raises(DruidException, match="forbidden header"):
            HttpInputSource(uris=["http://x/y"], request_headers={"Cookie": "x"})


class TestCombining(InputSourceSuite):
    @pytest.fixture
    def source(self, folder: Path) -> InputSource:
        csv = LocalInputSource(base_dir=str(folder), filter="*.csv")
        return CombiningInputSource([LocalInputSource(files=[str(folder / "d.txt")]), csv])

    @pytest.fixture
    def contents(self) -> list[bytes]:
        return [b"d.txt", b"a.csv", b"b.csv", b"sub/c.csv"]

    @pytest.fixture
    def missing_source(self, folder: Path) -> InputSource | None:
        return CombiningInputSource([LocalInputSource(files=[str(folder / "none")])])

    def test_its_json_survives(self, source: InputSource, injected: Mapping[type, object]) -> None:
        """The delegates are of other types."""
        for each in (source, *source.splits(1, 1)):
            assert converter().loads(converter().dumps(each), InputSource) == each

    def test_splits_belong_to_one_delegate(self, source: InputSource) -> None:
        assert [len(list(split.entities())) for split in source.splits(1 << 30, 1000)] == [1, 3]

    def test_delegates_are_needed(self) -> None:
        with pytest.raises(DruidException, match="at least one delegate"):
            CombiningInputSource([])

    def test_delegates_can_be_split(self) -> None:
        with pytest.raises(DruidException, match="InlineInputSource.*cannot be split"):
            CombiningInputSource([InlineInputSource("x")])


class TestSystemFields:
    def test_they_say_where_a_record_comes_from(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).write_text(f'{{"t": 0, "x": "{name}"}}\n')
        spec = inline_spec("-", {"type": "json"}, dimensionsSpec={"dimensions": ["x", "__file_path", "uri"]})
        delegate = {
            "type": "local",
            "baseDir": str(tmp_path),
            "filter": "*",
            "systemFields": ["__file_path", "__file_uri"],
        }
        spec["ioConfig"]["inputSource"] = {"type": "combining", "delegates": [delegate]}
        transform = {"type": "expression", "name": "uri", "expression": "substring(__file_uri, 0, 6)"}
        spec["dataSchema"]["transformSpec"] = {"transforms": [transform]}
        rows = Ingested(spec, tmp_path / "out").rows()
        assert [(row["x"], row["__file_path"], row["uri"]) for row in rows] == [
            ("a", str(tmp_path / "a"), "file:/"),
            ("b", str(tmp_path / "b"), "file:/"),
        ]

    def test_they_are_not_found(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text('{"t": 0, "x": "y"}\n')
        spec = inline_spec("-", {"type": "json"})
        local = {"type": "local", "files": [str(tmp_path / "a")], "systemFields": ["__file_uri"]}
        spec["ioConfig"]["inputSource"] = local
        assert Ingested(spec, tmp_path / "out").rows() == [{"__time": 0, "x": "y"}]

    def test_others_are_refused(self) -> None:
        with pytest.raises(DruidException, match="No such system field"):
            LocalInputSource(files=["x"], system_fields=["__file_size"])

    def test_splits_keep_them(self, folder: Path) -> None:
        source = LocalInputSource(base_dir=str(folder), filter="*", system_fields=["__file_path"])
        paths = [fields for split in source.splits(1, 1) for _, fields in split.described_entities()]
        assert paths[0] == {"__file_path": str(folder / "a.csv")}
