"""What every deep storage owes those who push, pull and kill segments."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nemeton.model import DataSegment, NumberedShardSpec
from nemeton.spi.storage import DeepStorage, SegmentLoadingError
from nemeton.testkit.isolation import load_isolated
from nemeton.time import Interval

_V9 = (9).to_bytes(4, "big")


def make_segment(partition: int = 0, *, data_source: str = "testkit", version: str = "2020-01-01") -> DataSegment:
    """A segment as a task describes it before it is pushed."""
    return DataSegment(
        data_source,
        Interval.parse("2013-01-01/P1D"),
        version,
        dimensions=("a", "b"),
        metrics=("count",),
        shard_spec=NumberedShardSpec(partition, 0),
    )


def write_files(folder: Path, content: str = "rows") -> dict[str, bytes]:
    """Put files with the names of a V9 segment into the folder; returns their bytes by name."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "version.bin": _V9,
        "meta.smoosh": f"v1,2147483647,1\n{content}".encode(),
        "00000.smoosh": content.encode() * 1000,
        "factory.json": b'{"type":"mMapSegmentFactory"}',
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files


def read_files(folder: Path) -> dict[str, bytes]:
    """The bytes of the files in the folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class DeepStorageSuite:
    """Subclass it, and override the fixture `storage`: an empty deep storage, new for each test."""

    @pytest.fixture
    def storage(self) -> DeepStorage:
        """The deep storage that is tested."""
        raise NotImplementedError("override the fixture `storage`")

    @pytest.fixture
    def move_target(self) -> Mapping[str, Any] | None:
        """Where to move a segment, as the target of a `move` task says it; None for a storage that cannot move."""
        return None

    def pull(self, storage: DeepStorage, segment: DataSegment, folder: Path) -> dict[str, bytes]:
        """What comes back."""
        folder.mkdir()
        size = storage.puller.pull(segment.load_spec or {}, folder)
        files = read_files(folder)
        assert size == sum(map(len, files.values())), "pull returns the size of what it wrote"
        return files

    def test_what_is_pushed_comes_back(self, storage: DeepStorage, tmp_path: Path) -> None:
        """Byte by byte; and the source stays as it is."""
        files = write_files(tmp_path / "made")
        pushed = storage.pusher.push(tmp_path / "made", make_segment())
        assert self.pull(storage, pushed, tmp_path / "pulled") == files
        assert read_files(tmp_path / "made") == files

    def test_a_push_fills_in_load_spec_size_and_version(self, storage: DeepStorage, tmp_path: Path) -> None:
        """And leaves the rest of the segment as it was."""
        files = write_files(tmp_path / "made")
        segment = make_segment()
        pushed = storage.pusher.push(tmp_path / "made", segment)
        assert pushed.size == sum(map(len, files.values()))
        assert pushed.binary_version == 9
        assert (pushed.load_spec or {}).get("type"), "the load spec says by which storage it is read"
        assert pushed.id == segment.id
        assert (pushed.dimensions, pushed.metrics) == (segment.dimensions, segment.metrics)

    def test_the_load_spec_survives_the_metadata_store(self, storage: DeepStorage, tmp_path: Path) -> None:
        """It is plain JSON."""
        files = write_files(tmp_path / "made")
        pushed = storage.pusher.push(tmp_path / "made", make_segment())
        json = load_isolated(core=("nemeton.model.extension",)).json
        again = json.loads(json.dumps(pushed), DataSegment)
        assert again.load_spec == pushed.load_spec
        assert self.pull(storage, again, tmp_path / "pulled") == files

    def test_the_later_of_two_pushes_wins(self, storage: DeepStorage, tmp_path: Path) -> None:
        """A task that runs again may push again."""
        write_files(tmp_path / "first", "first")
        later = write_files(tmp_path / "later", "later")
        storage.pusher.push(tmp_path / "first", make_segment())
        pushed = storage.pusher.push(tmp_path / "later", make_segment())
        assert self.pull(storage, pushed, tmp_path / "pulled") == later

    def test_unique_paths_do_not_meet(self, storage: DeepStorage, tmp_path: Path) -> None:
        """Replicas of a streaming task push the same segment id with different rows."""
        one, two = write_files(tmp_path / "one", "one"), write_files(tmp_path / "two", "two")
        first = storage.pusher.push(tmp_path / "one", make_segment(), use_unique_path=True)
        second = storage.pusher.push(tmp_path / "two", make_segment(), use_unique_path=True)
        assert first.load_spec != second.load_spec
        assert self.pull(storage, first, tmp_path / "pulled one") == one
        assert self.pull(storage, second, tmp_path / "pulled two") == two

    def test_what_is_killed_is_gone_and_the_rest_stays(self, storage: DeepStorage, tmp_path: Path) -> None:
        """Killing again is no error."""
        files = write_files(tmp_path / "made")
        killed, kept = (storage.pusher.push(tmp_path / "made", make_segment(partition)) for partition in (0, 1))
        storage.killer.kill([killed])
        with pytest.raises(SegmentLoadingError):
            self.pull(storage, killed, tmp_path / "gone")
        assert self.pull(storage, kept, tmp_path / "kept") == files
        storage.killer.kill([killed])

    def test_a_moved_segment_is_where_it_should_be(
        self, storage: DeepStorage, move_target: Mapping[str, Any] | None, tmp_path: Path
    ) -> None:
        """And nowhere else; moving it again finishes the job."""
        assert (storage.mover is None) == (move_target is None), "override the fixture `move_target`"
        if storage.mover is None or move_target is None:
            return
        files = write_files(tmp_path / "made")
        pushed = storage.pusher.push(tmp_path / "made", make_segment())
        moved = storage.mover.move(pushed, move_target)
        assert moved.load_spec != pushed.load_spec
        assert storage.mover.move(pushed, move_target) == moved
        assert self.pull(storage, moved, tmp_path / "moved") == files
        with pytest.raises(SegmentLoadingError):
            self.pull(storage, pushed, tmp_path / "gone")

    def test_an_archived_segment_comes_back(self, storage: DeepStorage, tmp_path: Path) -> None:
        """Where there is an archive. To archive or restore once more is nothing to do."""
        if storage.archiver is None:
            return
        files = write_files(tmp_path / "made")
        pushed = storage.pusher.push(tmp_path / "made", make_segment())
        archived = storage.archiver.archive(pushed)
        assert archived is not None
        assert storage.archiver.archive(archived) is None
        assert self.pull(storage, archived, tmp_path / "archived") == files
        with pytest.raises(SegmentLoadingError):
            self.pull(storage, pushed, tmp_path / "gone")
        assert storage.archiver.restore(archived) == pushed
        assert storage.archiver.restore(pushed) is None
        assert self.pull(storage, pushed, tmp_path / "restored") == files

    def test_many_threads_at_a_time(self, storage: DeepStorage, tmp_path: Path) -> None:
        """Pushing and pulling is thread-safe."""

        def push_and_pull(partition: int) -> bool:
            files = write_files(tmp_path / f"made {partition}", f"rows of {partition}")
            pushed = storage.pusher.push(tmp_path / f"made {partition}", make_segment(partition))
            return self.pull(storage, pushed, tmp_path / f"pulled {partition}") == files

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(push_and_pull, range(16)))
