"""Deep storage in a folder, in Druid's layout."""

from __future__ import annotations

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nemeton.common.errors import DruidException
from nemeton.config import JsonConfigurator, Properties
from nemeton.inject import Injector
from nemeton.json import Json
from nemeton.model import DataSegment, NumberedShardSpec
from nemeton.plugins import load_extensions
from nemeton.spi.storage import (
    DataSegmentKiller,
    DataSegmentMover,
    DataSegmentPuller,
    DataSegmentPusher,
    SegmentLoadingError,
    TaskLogs,
)
from nemeton.storage.config import LocalStorageConfig
from nemeton.storage.local import LocalDeepStorage
from nemeton.storage.module import StorageModule
from nemeton.time import Interval

JANUARY = Interval.parse("2013-01-01/2013-02-01")
FILES = {
    "version.bin": b"\0\0\0\x09",
    "meta.smoosh": b"v1,2147483647,1\n",
    "00000.smoosh": b"x" * 1000,
    "factory.json": b"{}",
}
SIZE = sum(map(len, FILES.values()))


def segment(partition=0, version="2024-01-01T00:00:00.000Z", **more) -> DataSegment:
    return DataSegment("flights", JANUARY, version, shard_spec=NumberedShardSpec(partition, 2), **more)


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "deep"


@pytest.fixture(params=[False, True], ids=["folder", "zip"])
def storage(root, request) -> LocalDeepStorage:
    return LocalDeepStorage(LocalStorageConfig(storage_directory=str(root), zip=request.param))


@pytest.fixture
def files(tmp_path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in folder.iterdir()}


def pulled(storage, pushed, tmp_path, name="pulled") -> dict[str, bytes]:
    target = tmp_path / name
    target.mkdir()
    assert storage.puller.pull(pushed.load_spec, target) == SIZE
    return contents(target)


def test_a_segment_goes_in_and_comes_out(storage, files, tmp_path):
    pushed = storage.pusher.push(files, segment())
    assert pushed.size == SIZE
    assert pushed.binary_version == 9
    assert pushed.load_spec["type"] == "local"
    assert pulled(storage, pushed, tmp_path) == FILES
    assert contents(files) == FILES


def test_the_layout_is_druids(root, files):
    place = root / "flights/2013-01-01T00:00:00.000Z_2013-02-01T00:00:00.000Z/2024-01-01T00:00:00.000Z/1"
    for is_zip, name in ((False, "index"), (True, "index.zip")):
        storage = LocalDeepStorage(LocalStorageConfig(storage_directory=str(root), zip=is_zip))
        assert storage.pusher.push(files, segment(1)).load_spec == {"type": "local", "path": str(place / name)}
        assert (place / name).exists()
    with zipfile.ZipFile(place / "index.zip") as packed:
        assert sorted(packed.namelist()) == sorted(FILES)
    assert list((root / "intermediate_pushes").iterdir()) == []


def test_the_later_of_two_pushes_wins(storage, files, tmp_path):
    storage.pusher.push(files, segment())
    os.unlink(files / "00000.smoosh")
    (files / "00000.smoosh").write_bytes(b"y" * 1000)
    pushed = storage.pusher.push(files, segment())
    assert pulled(storage, pushed, tmp_path)["00000.smoosh"] == b"y" * 1000
    assert len(list(Path(pushed.load_spec["path"]).parent.iterdir())) == 1


@pytest.mark.parametrize("can_exchange", [True, False])
def test_pushes_of_one_segment_at_the_same_time(storage, files, tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr("nemeton.storage.files._exchange", lambda *_: False)
    with ThreadPoolExecutor(4) as threads:
        pushed = list(threads.map(lambda _: storage.pusher.push(files, segment()), range(20)))
    assert len({p.load_spec["path"] for p in pushed}) == 1
    assert pulled(storage, pushed[0], tmp_path) == FILES
    place = Path(pushed[0].load_spec["path"])
    assert [p.name for p in place.parent.iterdir()] == [place.name]


def test_unique_paths_differ(storage, files, tmp_path):
    first = storage.pusher.push(files, segment(), use_unique_path=True)
    second = storage.pusher.push(files, segment(), use_unique_path=True)
    assert first.load_spec != second.load_spec
    assert pulled(storage, first, tmp_path, "a") == pulled(storage, second, tmp_path, "b")


def test_a_push_that_fails_leaves_nothing_visible(storage, files, root, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nemeton.storage.local.fsync_directory", full)
    with pytest.raises(OSError, match="No space left"):
        storage.pusher.push(files, segment())
    assert [p.name for p in root.rglob("*")] == ["intermediate_pushes"]


def test_only_a_flat_segment_is_pushed(storage, files, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(SegmentLoadingError, match="is no segment"):
        storage.pusher.push(tmp_path / "other", segment())
    (files / "sub").mkdir()
    with pytest.raises(SegmentLoadingError, match=r"Unexpected subdirectory \[sub\]"):
        storage.pusher.push(files, segment())


def test_damage_to_a_pulled_segment_does_not_reach_deep_storage(storage, files, tmp_path):
    pushed = storage.pusher.push(files, segment())
    pulled(storage, pushed, tmp_path, "first")
    with (tmp_path / "first/00000.smoosh").open("r+b") as f:
        f.write(b"damage")
    assert pulled(storage, pushed, tmp_path, "second") == FILES


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"type": "local", "path": "/no/such/place"}, "doesn't exist"),
        ({"type": "local"}, r"\[path\] is missing"),
        ({"type": "local", "path": 5}, r"\[path\] is missing"),
    ],
)
def test_load_specs_that_lead_nowhere(storage, tmp_path, spec, problem):
    with pytest.raises(DruidException, match=problem):
        storage.puller.pull(spec, tmp_path)


def test_a_file_that_is_no_zip(storage, tmp_path):
    (tmp_path / "index.zip").write_bytes(b"PK\x03\x04 but no more")
    (tmp_path / "index.tar").write_bytes(b"")
    for name, problem in (("index.zip", "cannot be unzipped"), ("index.tar", "Do not know how to handle")):
        with pytest.raises(SegmentLoadingError, match=problem):
            storage.puller.pull({"type": "local", "path": str(tmp_path / name)}, tmp_path)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "sub/file", "..", "a\\b"])
def test_a_zip_cannot_write_outside(storage, tmp_path, name):
    with zipfile.ZipFile(tmp_path / "index.zip", "w") as packed:
        packed.writestr("version.bin", b"\0\0\0\x09")
        packed.writestr(name, b"evil")
    target = tmp_path / "in" / "target"
    target.mkdir(parents=True)
    with pytest.raises(SegmentLoadingError, match="no file at its root"):
        storage.puller.pull({"type": "local", "path": str(tmp_path / "index.zip")}, target)
    assert [p.name for p in (tmp_path / "in").rglob("*")] in (["target"], ["target", "version.bin"])


def test_a_zip_that_is_damaged(files, root, tmp_path):
    storage = LocalDeepStorage(LocalStorageConfig(storage_directory=str(root), zip=True))
    path = Path(storage.pusher.push(files, segment()).load_spec["path"])
    data = bytearray(path.read_bytes())
    at = data.index(b"version.bin") + len("version.bin")
    data[at] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(SegmentLoadingError, match="cannot be unzipped"):
        storage.puller.pull({"type": "local", "path": str(path)}, tmp_path)


def test_killing_removes_the_segment_and_empty_folders_above(storage, files, root):
    first, second = (storage.pusher.push(files, segment(n)) for n in (0, 1))
    storage.killer.kill([first])
    assert not Path(first.load_spec["path"]).exists()
    assert Path(second.load_spec["path"]).exists()
    storage.killer.kill([second, first])  # what is gone already is no error
    assert [p.name for p in root.iterdir()] == ["intermediate_pushes"]


def test_killing_goes_on_after_a_failure(storage, files, tmp_path):
    pushed = storage.pusher.push(files, segment())
    odd = segment(1, load_spec={"type": "local", "path": str(tmp_path)})
    with pytest.raises(SegmentLoadingError, match=r"Unable to kill 1 segments: flights_.*_1 \(Unknown file type"):
        storage.killer.kill([odd, pushed])
    assert not Path(pushed.load_spec["path"]).exists()
    storage.killer.kill_all()


def test_moving_and_moving_again(storage, files, tmp_path):
    pushed = storage.pusher.push(files, segment())
    target = {"path": str(tmp_path / "archive")}
    moved = storage.mover.move(pushed, target)
    assert moved.load_spec["path"].startswith(str(tmp_path / "archive" / "flights"))
    assert not Path(pushed.load_spec["path"]).exists()
    assert pulled(storage, moved, tmp_path) == FILES
    assert storage.mover.move(pushed, target).load_spec == moved.load_spec
    assert storage.mover.move(moved, target).load_spec == moved.load_spec
    storage.killer.kill([moved])
    with pytest.raises(SegmentLoadingError, match="is not at"):
        storage.mover.move(pushed, target)
    with pytest.raises(DruidException, match=r"\[path\] is missing"):
        storage.mover.move(pushed, {})


# bindings ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def injector(root, tmp_path):
    extensions = load_extensions({}, ["nemeton.storage.extension"])
    properties = {
        "druid.storage.type": "local",
        "druid.storage.storageDirectory": str(root),
        "druid.storage.zip": "true",
        "druid.indexer.logs.directory": str(tmp_path / "logs"),
    }
    return Injector([StorageModule()], configurator=JsonConfigurator(Properties(properties), Json(extensions.registry)))


def test_the_properties_pick_and_configure(injector, files, root, tmp_path):
    pushed = injector.get(DataSegmentPusher).push(files, segment())
    assert pushed.load_spec["path"].startswith(str(root))
    assert pushed.load_spec["path"].endswith("index.zip")
    (tmp_path / "pulled").mkdir()
    assert injector.get(DataSegmentPuller).pull(pushed.load_spec, tmp_path / "pulled") == SIZE
    moved = injector.get(DataSegmentMover).move(pushed, {"path": str(tmp_path / "other")})
    injector.get(DataSegmentKiller).kill([moved])
    assert not Path(moved.load_spec["path"]).exists()
    assert injector.get(TaskLogs).stream_task_log("none") is None


def test_a_load_spec_of_an_unknown_kind_names_the_known_ones(injector, tmp_path):
    with pytest.raises(DruidException, match=r"Unknown deep storage type \[acme_zip\]; known types are \[.*local"):
        injector.get(DataSegmentPuller).pull({"type": "acme_zip"}, tmp_path)
    for spec in ({}, None):
        with pytest.raises(DruidException, match=r"\[type\] is missing"):
            injector.get(DataSegmentKiller).kill([segment(load_spec=spec)])
