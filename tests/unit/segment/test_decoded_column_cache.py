"""The cache of decoded columns is bounded, shared and decodes once."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from nemeton.segment import DecodedColumnCache, LongData, QueryableIndex, StringData, write_segment
from nemeton.time import Interval


def load(value, size=10, log=None):
    def loader():
        if log is not None:
            log.append(value)
        return value, size

    return loader


def test_the_least_recently_used_leaves_first():
    cache = DecodedColumnCache(30)
    for key in "abc":
        cache.get(key, load(key))
    cache.get("a", load("again"))
    cache.get("d", load("d"))
    log = []
    assert cache.get("a", load("new", log=log)) == "a"
    assert cache.get("b", load("new", log=log)) == "new"
    assert log == ["new"]
    assert cache.size_bytes == 30
    assert len(cache) == 3


def test_what_is_too_large_is_handed_out_but_not_kept():
    cache = DecodedColumnCache(30)
    cache.get("a", load("a"))
    assert cache.get("big", load("big", 31)) == "big"
    assert (len(cache), cache.size_bytes) == (1, 10)


def test_a_smaller_bound_takes_effect_at_once():
    cache = DecodedColumnCache(30)
    for key in "abc":
        cache.get(key, load(key))
    cache.resize(15)
    assert (len(cache), cache.size_bytes, cache.max_bytes) == (1, 10, 15)


def test_two_threads_decode_once():
    cache = DecodedColumnCache(100)
    entered, go, log = threading.Event(), threading.Event(), []

    def slow():
        log.append("load")
        entered.set()
        assert go.wait(10)
        return "value", 1

    found = []
    threads = [threading.Thread(target=lambda: found.append(cache.get("k", slow))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)
    assert found == ["value"] * 4
    assert log == ["load"]


def test_a_failure_is_not_kept():
    cache = DecodedColumnCache(100)

    def fail():
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        cache.get("k", fail)
    assert cache.get("k", load("value")) == "value"


def test_a_closed_segment_leaves_nothing_behind(tmp_path):
    cache = DecodedColumnCache()
    indexes = []
    for name in ("a", "b"):
        columns = [LongData("__time", np.arange(100)), StringData("s", ["x"], np.zeros(100, int))]
        write_segment(tmp_path / name, interval=Interval(0, 100), columns=columns, dimensions=["s"], metrics=[])
        indexes.append(QueryableIndex.open(tmp_path / name, cache))
        indexes[-1].column("__time").values(0, 100)
        indexes[-1].column("s").codes(0, 100)
    assert len(cache) == 4
    values = indexes[0].column("__time").values(0, 100)
    indexes[0].close()
    assert len(cache) == 2
    assert values.tolist() == list(range(100))
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 1


def test_opening_reads_next_to_nothing(tmp_path):
    cache = DecodedColumnCache()
    columns = [LongData("__time", np.arange(100_000)), LongData("l", np.arange(100_000))]
    write_segment(tmp_path / "s", interval=Interval(0, 10**6), columns=columns, dimensions=["l"], metrics=[])
    index = QueryableIndex.open(tmp_path / "s", cache)
    assert index.num_rows == 100_000
    index.column("l")
    assert cache.size_bytes == 0


def test_the_process_has_one_cache():
    assert DecodedColumnCache.shared() is DecodedColumnCache.shared()


def test_threads_read_one_segment_together(tmp_path):
    rows, cache = 100_000, DecodedColumnCache(4_000_000)  # room for some of the columns
    columns = [LongData(f"l{i}", np.arange(rows) * i) for i in range(6)]
    write_segment(
        tmp_path / "s",
        interval=Interval(0, rows),
        columns=[LongData("__time", np.arange(rows)), *columns],
        dimensions=[c.name for c in columns],
        metrics=[],
    )
    index = QueryableIndex.open(tmp_path / "s", cache)
    faults = []

    def read(seed):
        for i in np.random.default_rng(seed).integers(0, 6, 50).tolist():
            found = index.column(f"l{i}").values(1000, 9000)
            if not (found == np.arange(1000, 9000) * i).all():
                faults.append(i)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert 0 < cache.size_bytes <= 4_000_000
