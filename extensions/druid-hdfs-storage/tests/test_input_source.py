"""Input from HDFS."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemeton.common.errors import DruidException
from nemeton.spi.ingest import InputSource
from nemeton.testkit.suites.input_source import InputSourceSuite
from nemeton_hdfs.config import HdfsInputSourceConfig
from nemeton_hdfs.input_source import HdfsInputSource
from nemeton_hdfs.paths import parse
from nemeton_hdfs.store import WebHdfsStore

FILES = {
    "in/a.csv": "a",
    "in/b?#.csv": "bb",
    "in/sub/c.json": "ccc",
    "in/_SUCCESS": "x",
    "in/e.csv": "",
    "other/d": "d",
}


@pytest.fixture
def filled(store, folder, tmp_path: Path):
    for path, text in FILES.items():
        (tmp_path / "given").write_text(text)
        place = parse(folder, "")
        store.put(tmp_path / "given", type(place)(place.bucket, f"{place.key}/{path}"))
    return folder


@pytest.fixture
def make(store):
    return lambda *paths: HdfsInputSource(paths=paths, store=store, config=HdfsInputSourceConfig())


class TestHdfsInputSource(InputSourceSuite):
    @pytest.fixture
    def source(self, filled, make) -> InputSource:
        return make(f"{filled}/in")

    @pytest.fixture
    def contents(self) -> list[bytes]:
        return [b"a", b"bb", b"ccc"]

    @pytest.fixture
    def missing_source(self, filled, make) -> InputSource | None:
        return make(f"{filled}/none")

    @pytest.fixture
    def injected(self, store):
        return {WebHdfsStore: store, HdfsInputSourceConfig: HdfsInputSourceConfig()}


def uris(source):
    return [entity.uri for entity in source.entities()]


def test_paths_folders_and_globs(filled, make):
    assert uris(make(f"{filled}/other/d", f"{filled}/in/a.csv")) == [f"{filled}/other/d", f"{filled}/in/a.csv"]
    assert uris(make(f"{filled}/*/?.csv")) == [f"{filled}/in/a.csv"]
    assert uris(make(f"{filled}/i*")) == [f"{filled}/in/a.csv", f"{filled}/in/b?#.csv", f"{filled}/in/sub/c.json"]
    assert uris(make(f"{filled}/x*")) == []


def test_paths_may_stand_in_one_text(filled, store):
    source = HdfsInputSource(paths=f"{filled}/other/d, {filled}/in/a.csv", store=store, config=HdfsInputSourceConfig())
    assert len(uris(source)) == 2


def test_what_may_not_be_read(make):
    with pytest.raises(DruidException, match=r"Only \[hdfs\] protocols are allowed"):
        make("file:///etc/passwd")
    with pytest.raises(DruidException, match="at least one path"):
        make()
