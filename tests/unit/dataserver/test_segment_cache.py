from __future__ import annotations

import pytest

from nemeton.dataserver.cache import QUARANTINE, storage_dir
from nemeton.model import TombstoneShardSpec
from nemeton.spi.storage import DataSegmentPuller, SegmentLoadingError
from nemeton.storage.local import LocalDataSegmentPuller


class ScriptedPuller(DataSegmentPuller):
    """Pulls as the local one does, with something done before or after."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.pulled = 0

    def pull(self, load_spec, directory):
        self.pulled += 1
        size = LocalDataSegmentPuller().pull(load_spec, directory)
        if self.steps:
            self.steps.pop(0)(directory)
        return size


def damage(directory):
    (directory / "meta.smoosh").write_text("garbage")


def fail(directory):
    raise OSError(28, "No space left on device")


def test_a_segment_is_fetched_once_and_found_at_the_next_start(make_cache, golden):
    segment = golden("mixed_tsv")[0]
    puller = ScriptedPuller()
    cache = make_cache(puller=puller)
    cache.open(segment).close()
    cache.store_info(segment)
    cache.open(segment).close()
    assert puller.pulled == 1

    again = make_cache(puller=puller)
    assert again.cached_segments() == [segment]
    assert again.cached_segments()[0].load_spec == segment.load_spec
    again.open(segment).close()
    assert puller.pulled == 1
    assert again.locations[0].used == segment.size


def test_it_lies_where_druid_puts_it(make_cache, golden):
    segment = golden("mixed_tsv")[0]
    cache = make_cache()
    cache.open(segment).close()
    place = cache.locations[0].path / storage_dir(segment)
    assert storage_dir(segment) == (f"mixed_tsv/2024-02-01T00:00:00.000Z_2024-03-01T00:00:00.000Z/{segment.version}/0")
    assert (place / "version.bin").is_file()


def test_a_damaged_copy_is_moved_aside_and_fetched_again(make_cache, golden):
    segment = golden("mixed_tsv")[0]
    cache = make_cache()
    cache.open(segment).close()
    damage(cache.locations[0].path / storage_dir(segment))
    opened = cache.open(segment)
    assert opened.num_rows > 0
    opened.close()
    aside = cache.locations[0].path / QUARANTINE / str(segment.id)
    assert (aside / "meta.smoosh").read_text() == "garbage"


def test_one_that_is_damaged_in_deep_storage_is_refused_with_the_reason(make_cache, golden):
    segment = golden("mixed_tsv")[0]
    cache = make_cache(puller=ScriptedPuller(damage, damage))
    with pytest.raises(SegmentLoadingError, match=r"mixed_tsv.*damaged in deep storage"):
        cache.open(segment)
    assert not (cache.locations[0].path / storage_dir(segment)).exists()
    assert cache.locations[0].used == 0


def test_a_pull_that_breaks_off_leaves_nothing_behind(make_cache, golden):
    segment = golden("mixed_tsv")[0]
    cache = make_cache(puller=ScriptedPuller(fail))
    with pytest.raises(SegmentLoadingError, match="No space left"):
        cache.open(segment)
    assert [path for path in cache.locations[0].path.rglob("*") if path.is_file()] == []
    assert cache.locations[0].used == 0
    cache.open(segment).close()


def test_a_full_location_is_passed_over(make_cache, golden):
    segment = golden("mixed_tsv")[0]
    cache = make_cache(10, 10**9)
    cache.open(segment).close()
    assert (cache.locations[1].path / storage_dir(segment)).is_dir()


def test_without_room_anywhere_the_error_names_the_places(make_cache, golden):
    segment = golden("mixed_tsv")[0]
    cache = make_cache(10, 20)
    with pytest.raises(SegmentLoadingError, match=r"cache1.*do not fit.*cache0.*do not fit|cache0.*cache1"):
        cache.open(segment)


def test_removing_leaves_no_empty_folders(make_cache, golden):
    one, other = golden("mixed_tsv")
    cache = make_cache()
    for segment in (one, other):
        cache.open(segment).close()
        cache.store_info(segment)
    cache.cleanup(one)
    assert [path.name for path in (cache.locations[0].path / "mixed_tsv").iterdir()] == [
        storage_dir(other).split("/")[1]
    ]
    cache.cleanup(other)
    assert not (cache.locations[0].path / "mixed_tsv").exists()
    assert cache.cached_segments() == []


def test_debris_of_a_crash_is_cleared_at_the_start(make_cache, golden):
    segment = golden("mixed_tsv")[0]
    cache = make_cache()
    cache.open(segment).close()
    cache.store_info(segment)
    root = cache.locations[0].path
    (root / "__loading__" / "half").mkdir(parents=True)
    (root / "info_dir" / ".x.tmp").write_text("half")
    (root / "info_dir" / "broken").write_text("{")
    lost = golden("mixed_tsv")[1]
    cache.store_info(lost)
    assert make_cache().cached_segments() == [segment]
    assert not (root / "__loading__").exists()
    assert sorted(path.name for path in (root / "info_dir").iterdir()) == [str(segment.id)]


def test_a_tombstone_has_no_files(make_cache, golden):
    tombstone = golden("mixed_tsv")[0].with_(shard_spec=TombstoneShardSpec(), load_spec={"type": "tombstone"})
    cache = make_cache()
    assert cache.open(tombstone) is None
    cache.store_info(tombstone)
    assert make_cache().cached_segments() == [tombstone]
