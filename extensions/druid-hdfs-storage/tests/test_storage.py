"""Segments and task logs in HDFS."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from nemeton.common.clock import SystemClock
from nemeton.common.errors import DruidException
from nemeton.spi.objects import ObjectStoreError
from nemeton.spi.storage import SegmentLoadingError
from nemeton.testkit.suites.deep_storage import DeepStorageSuite, make_segment, write_files
from nemeton.testkit.suites.task_logs import TaskLogsSuite, whole
from nemeton.time import ETERNITY
from nemeton_hdfs.config import HdfsKerberosConfig, HdfsStorageConfig, HdfsTaskLogsConfig, WebHdfsConfig
from nemeton_hdfs.paths import parse
from nemeton_hdfs.storage import HdfsDeepStorage, HdfsLayout, HdfsTaskLogs
from nemeton_hdfs.store import WebHdfsStore


@pytest.fixture
def storage(store, folder):
    return HdfsDeepStorage(HdfsStorageConfig(storage_directory=f"{folder}/segments"), store, HdfsKerberosConfig())


class TestHdfsDeepStorage(DeepStorageSuite):
    @pytest.fixture
    def storage(self, storage):
        return storage

    @pytest.fixture
    def move_target(self, folder):
        return {"path": f"{folder}/archive"}


class TestHdfsTaskLogs(TaskLogsSuite):
    @pytest.fixture
    def task_logs(self, store, folder):
        return HdfsTaskLogs(HdfsTaskLogsConfig(directory=f"{folder}/logs"), store, HdfsKerberosConfig())


def test_segments_lie_where_druid_looks_for_them(storage, store, folder, tmp_path: Path):
    """Druid's layout for HDFS: no colons, the partition in the file's name."""
    write_files(tmp_path / "made")
    pushed = storage.pusher.push(tmp_path / "made", make_segment(3, version="2020-01-01T00:00:00.000Z"))
    place = "testkit/20130101T000000.000Z_20130102T000000.000Z/2020-01-01T00_00_00.000Z/3_index.zip"
    assert pushed.load_spec == {"type": "hdfs", "path": f"{folder}/segments/{place}"}
    unique = storage.pusher.push(tmp_path / "made", make_segment(3), use_unique_path=True)
    number, _uuid, name = unique.load_spec["path"].rpartition("/")[2].split("_")
    assert (number, name) == ("3", "index.zip")
    storage.killer.kill([pushed, unique])
    assert not list(store.walk(parse(f"{folder}/segments", "")))


def test_task_logs_have_druids_names(store, folder, tmp_path: Path):
    logs = HdfsTaskLogs(HdfsTaskLogsConfig(directory=f"{folder}/logs"), store, HdfsKerberosConfig())
    (tmp_path / "given").write_text("x")
    logs.push_task_log("noop_2024-01-01T00:00:00.000Z", tmp_path / "given")
    logs.push_task_reports("noop_2024-01-01T00:00:00.000Z", tmp_path / "given")
    names = [info.location.key.rpartition("/")[2] for info in store.walk(parse(f"{folder}/logs", ""))]
    assert names == ["noop_2024-01-01T00_00_00.000Z", "noop_2024-01-01T00_00_00.000Z.reports.json"]
    assert whole(logs.stream_task_log("noop_2024-01-01T00:00:00.000Z")) == b"x"


def test_a_rename_whose_answer_gets_lost_is_done(store, folder, tmp_path: Path, monkeypatch):
    """The second try finds nothing to rename, and must not take that for a name that is in the way."""
    here, there = parse(f"{folder}/here", ""), parse(f"{folder}/there", "")
    (tmp_path / "given").write_text("precious")
    store.put(tmp_path / "given", here)
    call = WebHdfsStore._call

    def lose_the_answer(self, base, method, location, operation, **options):
        answer = call(self, base, method, location, operation, **options)
        if operation == "RENAME" and answer["boolean"]:
            raise OSError("the connection broke")
        return answer

    monkeypatch.setattr(WebHdfsStore, "_call", lose_the_answer)
    store.move(here, there)
    assert b"".join(store.read(there)) == b"precious"
    store.put(tmp_path / "given", here)
    assert b"".join(store.read(here)) == b"precious"


def test_everything_goes(storage, tmp_path: Path):
    write_files(tmp_path / "made")
    pushed = storage.pusher.push(tmp_path / "made", make_segment())
    storage.killer.kill_all()
    with pytest.raises(SegmentLoadingError, match="does not exist"):
        storage.puller.pull(pushed.load_spec, tmp_path)


def test_the_next_name_node_is_asked_when_one_is_away(hdfs, folder, tmp_path: Path):
    store = WebHdfsStore(WebHdfsConfig(urls=["http://127.0.0.1:9", hdfs.url], user="nemeton"), SystemClock())
    (tmp_path / "given").write_text("x")
    store.put(tmp_path / "given", parse(f"{folder}/x", ""))
    assert store.find(parse(f"{folder}/x", "")).size == 1


def test_when_none_answers_it_is_told_who_was_asked(folder):
    store = WebHdfsStore(WebHdfsConfig(urls=["http://127.0.0.1:9"], user="nemeton", max_tries=2), SystemClock())
    with pytest.raises(ObjectStoreError, match=r"no NameNode of \['http://127.0.0.1:9'\] answers"):
        store.find(parse(f"{folder}/x", ""))


def test_what_hdfs_refuses_is_told_with_its_reason(hdfs, folder, store, tmp_path: Path):
    (tmp_path / "given").write_text("x")
    store.put(tmp_path / "given", parse(f"{folder}/file", ""))
    stranger = WebHdfsStore(WebHdfsConfig(urls=[hdfs.url], user="stranger"), SystemClock())
    failures = stranger.delete([parse(f"{folder}/file", "")])
    assert "AccessControlException" in next(iter(failures.values()))


def test_what_is_not_configured_is_named(store):
    with pytest.raises(DruidException, match=r"druid\.storage\.storageDirectory must be set"):
        _ = HdfsDeepStorage(HdfsStorageConfig(), store, HdfsKerberosConfig()).pusher
    with pytest.raises(DruidException, match=r"druid\.indexer\.logs\.directory must be set"):
        HdfsTaskLogs(HdfsTaskLogsConfig(), store, HdfsKerberosConfig())
    with pytest.raises(DruidException, match=r"must be of the form hdfs://host:port/path"):
        HdfsDeepStorage(HdfsStorageConfig(storage_directory="s3://b/k"), store, HdfsKerberosConfig())
    with pytest.raises(ValueError, match="Kerberos is not supported"):
        HdfsKerberosConfig(principal="druid@ACME")


def test_a_segment_of_all_time_has_a_place(folder):
    """Years of more than four digits, and before Christ, as Joda's ``basicDateTime`` writes them."""
    segment = attrs.evolve(make_segment(0), interval=ETERNITY)
    key = HdfsLayout(parse(folder, "folder"), "hdfs").place(segment).key
    assert "-1461365430908T082332.096Z_1461404820424T153627.903Z" in key
