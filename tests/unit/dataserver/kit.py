"""Segments that a data server serves, made of nothing but times; work for the pool that reads them."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import numpy as np

from nemeton.dataserver.query_run import QueryRun
from nemeton.dataserver.segments import ReferenceCountedSegment
from nemeton.model import ColumnType, DataSegment
from nemeton.query.inline import VectorSegment
from nemeton.query.vectors import NumericVector
from nemeton.testkit.waiting import eventually
from nemeton.time import Interval


def hourly_segment(number, rows, kind=VectorSegment):
    """A segment of an hour of its own; None for the rows is a tombstone."""
    start = number * 3_600_000
    described = DataSegment("t", Interval(start, start + 3_600_000), "v")
    if rows is None:
        return ReferenceCountedSegment(described, None)
    times = NumericVector(ColumnType.LONG, np.full(rows, start, dtype=np.int64))
    return ReferenceCountedSegment(described, kind({"__time": times}, rows, described.interval))


def submit(pool, fn, priority=0):
    """Have the pool run it for a thread that waits for it; a future, when it has begun or is queued."""
    future, begun = Future(), threading.Event()

    def queued():
        return sum(batch.has_more for _, _, batch in list(pool._heap))

    def work():
        begun.set()
        return fn()

    def wait():
        try:
            future.set_result(pool.run_all([work], priority, QueryRun("q"))[0])
        except BaseException as failure:  # noqa: BLE001 - it belongs to who waits for the future
            future.set_exception(failure)

    before = queued()
    threading.Thread(target=wait, daemon=True).start()
    eventually(lambda: begun.is_set() or queued() > before or future.done(), "the work to be taken", 10)
    return future
