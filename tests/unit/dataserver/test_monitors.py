"""How native queries are counted by their end."""

from __future__ import annotations

import pytest

from nemeton.common.errors import QueryException, invalid_input, timeout
from nemeton.dataserver.monitors import QueryCountStatsMonitor
from nemeton.dataserver.query_run import QueryCounts


class Metrics:
    def __init__(self):
        self.values = {}

    def emit_metric(self, name, value, **_):
        self.values[name] = value


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (None, "success"),
        (QueryException(QueryException.TIMEOUT, "late"), "timeout"),
        (timeout("late"), "timeout"),
        (QueryException(QueryException.CANCELLED, "no"), "interrupted"),
        (QueryException(QueryException.INTERRUPTED, "no"), "interrupted"),
        (QueryException(QueryException.UNKNOWN, "?"), "failed"),
        (invalid_input("bad"), "failed"),
        (ValueError("?"), "failed"),
    ],
)
def test_queries_are_counted_by_their_end_since_the_last_look(failure, outcome):
    counts = QueryCounts()
    counts.add(None)
    monitor = QueryCountStatsMonitor(counts)
    monitor.monitor(Metrics())
    counts.add(failure)
    metrics = Metrics()
    monitor.monitor(metrics)
    expected = dict.fromkeys(("success", "failed", "interrupted", "timeout"), 0) | {outcome: 1}
    assert metrics.values == {"query/count": 1} | {f"query/{name}/count": n for name, n in expected.items()}
