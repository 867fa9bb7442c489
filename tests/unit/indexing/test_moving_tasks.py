"""``move``, ``archive`` and ``restore``: files of unused segments get another place, and their rows say so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from nemeton.common.errors import DruidException
from nemeton.config import JsonConfigurator, Properties
from nemeton.indexing.tasks.moves import ArchiveTask, MoveTask, RestoreTask
from nemeton.inject import Injector
from nemeton.model import DataSegment, NumberedShardSpec, TaskStatus, TombstoneShardSpec
from nemeton.spi.indexing import Task
from nemeton.spi.metadata import ReplaceTaskLock
from nemeton.spi.storage import (
    DataSegmentArchiver,
    DataSegmentMover,
    DataSegmentPuller,
    DataSegmentPusher,
    SegmentLoadingError,
)
from nemeton.storage.module import StorageModule
from nemeton.time import Interval

DAY, OTHER = Interval.parse("2020-01-01/2020-01-02"), Interval.parse("2020-01-02/2020-01-03")
VERSION = "2000-01-01T00:00:00.000Z"


class FolderArchiver(DataSegmentArchiver):
    """Moves between two folders of local storage."""

    def __init__(self, mover, hot, cold):
        self._mover, self._hot, self._cold = mover, hot, cold

    def archive(self, segment):
        return self._move(segment, self._cold)

    def restore(self, segment):
        return self._move(segment, self._hot)

    def _move(self, segment, root):
        moved = self._mover.move(segment, {"path": str(root)})
        return None if moved.load_spec == segment.load_spec else moved


@pytest.fixture
def store(tmp_path, json):
    properties = {"druid.storage.storageDirectory": str(tmp_path / "hot")}
    return Injector([StorageModule()], configurator=JsonConfigurator(Properties(properties), json))


@pytest.fixture
def pushed(store, tmp_path):
    """Make a segment that is in deep storage; its file's content is its id."""

    def push(number=0, interval=DAY, version=VERSION, data_source="ds"):
        segment = DataSegment(data_source, interval, version, shard_spec=NumberedShardSpec(number, 0))
        folder = tmp_path / "made" / str(segment.id).replace(":", "")
        folder.mkdir(parents=True)
        (folder / "version.bin").write_bytes(b"\0\0\0\x09")
        (folder / "00000.smoosh").write_text(str(segment.id))
        return store.get(DataSegmentPusher).push(folder, segment)

    return push


@pytest.fixture
def run(lockbox, storage, client_of, store):
    """Run a task to its end on the Overlord's own lockbox and metadata store."""

    def run_task(task, archiver=None):
        storage.insert(task, TaskStatus.running(task.id))
        lockbox.add(task)
        try:
            assert task.is_ready(client_of(task))
            get = store.get if archiver is None else lambda _: archiver
            return task.run(SimpleNamespace(action_client=client_of(task), get=get))
        finally:
            lockbox.remove(task)

    return run_task


@pytest.fixture
def rows(metadata):
    """The segments as they are stored, by id."""
    return lambda: {s.id: s for s in metadata.retrieve_unused_segments("ds", Interval.parse("2000/2100"))}


def content(store, segment, folder):
    folder.mkdir()
    store.get(DataSegmentPuller).pull(segment.load_spec, folder)
    return (folder / "00000.smoosh").read_text()


def path_of(segment):
    return Path(segment.load_spec["path"])


@pytest.mark.parametrize("cls", [ArchiveTask, RestoreTask])
def test_json_is_druids(json, cls):
    stored = {
        "type": cls(data_source="x", interval=DAY).type,
        "id": "a1",
        "dataSource": "x",
        "interval": "2000-01-01T00:00:00.000Z/2001-01-01T00:00:00.000Z",
        "context": {"forceTimeChunkLock": True, "useLineageBasedSegmentAllocation": True},
        "groupId": "a1",
        "resource": {"availabilityGroup": "a1", "requiredCapacity": 1},
    }
    assert json.loads(json.dumps(json.structure(stored, Task))) == stored


def test_the_target_has_two_names(json):
    spec = {"type": "move", "id": "m", "dataSource": "x", "interval": str(DAY)}
    for name in ("target", "targetLoadSpec"):
        task = json.structure({**spec, name: {"path": "/cold"}}, Task)
        assert json.loads(json.dumps(task))["target"] == {"path": "/cold"}
        assert "targetLoadSpec" not in json.loads(json.dumps(task))
    assert json.structure({**spec, "id": None, "target": {}}, Task).id.startswith("move_x_")
    assert task.priority == 0


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"type": "archive", "interval": "2000/2000"}, "interval empty"),
        ({"type": "restore"}, "interval"),
        ({"type": "move", "interval": "2000/2001"}, "target is required"),
    ],
)
def test_what_is_missing_is_named(json, more, problem):
    with pytest.raises(DruidException, match=problem):
        json.structure({"dataSource": "x", **more}, Task)


def test_unused_segments_within_the_interval_are_moved(metadata, pushed, run, rows, store, tmp_path):
    first, second, used, outside = pushed(0), pushed(1), pushed(2), pushed(0, OTHER)
    metadata.commit_segments([first, second, used, outside])
    metadata.mark_segment_ids_as_unused("ds", map(str, [first.id, second.id, outside.id]))
    assert run(MoveTask(data_source="ds", interval=DAY, target_load_spec={"path": str(tmp_path / "cold")})).is_success
    found = rows()
    for segment in (first, second):
        moved = found[segment.id]
        assert moved.with_(load_spec=None) == segment.with_(load_spec=None)
        assert path_of(moved).is_relative_to(tmp_path / "cold")
        assert content(store, moved, tmp_path / f"pulled-{segment.partition_num}") == str(segment.id)
        assert not path_of(segment).exists()
    assert found[outside.id] == outside
    assert path_of(outside).exists()
    assert metadata.retrieve_used_segments("ds") == [used]
    assert path_of(used).exists()


def test_a_task_that_runs_again_finishes_the_job(metadata, pushed, run, rows, store, tmp_path):
    """As after a crash between the move of a file and the change of its row."""
    segment, target = pushed(), {"path": str(tmp_path / "cold")}
    metadata.commit_segments([segment])
    metadata.mark_segments_as_unused("ds", None)
    store.get(DataSegmentMover).move(segment, target)
    assert run(MoveTask(data_source="ds", interval=DAY, target_load_spec=target)).is_success
    assert content(store, rows()[segment.id], tmp_path / "pulled") == str(segment.id)


def appended_and_upgraded(metadata, pushed):
    """A segment that was appended while its day was replaced, and the one in the new version that loads its file."""
    appended, later = pushed(), "2001-01-01T00:00:00.000Z"
    lock = ReplaceTaskLock("replacing", DAY, later)
    metadata.commit_append_segments([appended], {appended: lock}, "group")
    metadata.commit_replace_segments([pushed(0, version=later)], [lock])
    (upgraded,) = [s for s in metadata.retrieve_used_segments("ds") if s.partition_num == 1]
    assert (upgraded.version, upgraded.load_spec) == (later, appended.load_spec)
    return appended, upgraded


def test_files_that_a_used_segment_loads_stay(metadata, pushed, run, rows, tmp_path):
    appended, upgraded = appended_and_upgraded(metadata, pushed)
    metadata.mark_segment_ids_as_unused("ds", [str(appended.id)])
    run(MoveTask(data_source="ds", interval=DAY, target_load_spec={"path": str(tmp_path / "cold")}))
    assert rows()[appended.id] == appended
    assert upgraded in metadata.retrieve_used_segments("ds")
    assert path_of(upgraded).exists()


def test_one_file_of_two_unused_segments_is_moved_for_both(metadata, pushed, run, rows, store, tmp_path):
    appended, upgraded = appended_and_upgraded(metadata, pushed)
    metadata.mark_segments_as_unused("ds", None)
    run(MoveTask(data_source="ds", interval=DAY, target_load_spec={"path": str(tmp_path / "cold")}))
    found = rows()
    assert found[appended.id].load_spec == found[upgraded.id].load_spec != appended.load_spec
    assert content(store, found[upgraded.id], tmp_path / "pulled") == str(appended.id)


def test_tombstones_have_nothing_to_move(metadata, run, rows):
    spec = {"type": "tombstone", "path": None}
    tombstone = DataSegment("ds", DAY, VERSION, spec, shard_spec=TombstoneShardSpec(), size=1)
    metadata.commit_segments([tombstone])
    metadata.mark_segments_as_unused("ds", None)
    assert run(ArchiveTask(data_source="ds", interval=DAY)).is_success
    assert rows() == {tombstone.id: tombstone}


def test_a_segment_newer_than_the_lock_stops_the_task(metadata, pushed, run):
    segment = pushed(version="2999-01-01T00:00:00.000Z")
    metadata.commit_segments([segment])
    metadata.mark_segments_as_unused("ds", None)
    with pytest.raises(DruidException, match=r"Unused segment\[ds_.*\] has version\[2999.*\] > task version\["):
        run(RestoreTask(data_source="ds", interval=DAY))
    assert path_of(segment).exists()


def test_what_is_archived_is_restored(metadata, pushed, run, rows, store, tmp_path):
    segment = pushed()
    metadata.commit_segments([segment])
    metadata.mark_segments_as_unused("ds", None)
    archiver = FolderArchiver(store.get(DataSegmentMover), tmp_path / "hot", tmp_path / "cold")
    for _ in range(2):  # the second finds nothing to do
        assert run(ArchiveTask(data_source="ds", interval=DAY), archiver).is_success
        assert path_of(rows()[segment.id]).is_relative_to(tmp_path / "cold")
        assert not path_of(segment).exists()
    for _ in range(2):
        assert run(RestoreTask(data_source="ds", interval=DAY), archiver).is_success
        assert rows() == {segment.id: segment}
        assert path_of(segment).exists()


@pytest.mark.parametrize("cls", [ArchiveTask, RestoreTask])
def test_local_storage_has_no_archive(metadata, pushed, run, cls):
    """Druid's words; it knows those of its extensions that are loaded."""
    metadata.commit_segments([pushed()])
    metadata.mark_segments_as_unused("ds", None)
    with pytest.raises(SegmentLoadingError, match=r"^Unknown loader type\[local\]\.  Known types are \[.*\]$"):
        run(cls(data_source="ds", interval=DAY))
