"""Native queries written down: Druid's line, a file for each day, no failure of a query."""

from __future__ import annotations

import json
import logging
import time

import pytest

from nemeton.common.clock import ManualClock
from nemeton.common.errors import QueryException
from nemeton.dataserver.request_log import FileRequestLogger, LoggingRequestLogger, RequestLog, RequestLoggingConfig
from nemeton.spi.query import Query
from nemeton.spi.request_log import RequestLogger
from nemeton.time import format_datetime

DAY_S = 86_400


@pytest.fixture
def query(query_json):
    request = {"queryType": "timeBoundary", "dataSource": "t", "context": {"queryId": "q1"}}
    return query_json.structure(request, Query)


def ended(log, query, failure=None, size=17, since=0.0):
    log.query_ended(query, time.monotonic() - since, failure, size, address="10.0.0.7", identity="jo")


def test_a_file_for_each_day_with_a_line_for_each_query(tmp_path, query_json, query):
    clock = ManualClock()
    config = RequestLoggingConfig(dir=str(tmp_path / "requests"))
    log = RequestLog(FileRequestLogger(config, query_json), config, clock)
    ended(log, query)
    ended(log, query, failure=QueryException(QueryException.TIMEOUT, "too slow"), size=None)
    clock.advance(DAY_S)
    ended(log, query)
    log.stop()
    first, second = sorted((tmp_path / "requests").iterdir())
    assert second.name == f"{format_datetime(clock.now())[:10]}.log"
    (stamp, address, asked, stats), failed = (line.split("\t") for line in first.read_text().splitlines())
    assert stamp == format_datetime(clock.now() - DAY_S * 1000)
    assert address == "10.0.0.7"
    assert query_json.loads(asked, Query) == query
    stats = json.loads(stats)
    assert stats.pop("query/time") >= 0
    assert stats == {"query/bytes": 17, "success": True, "identity": "jo"}
    stats = json.loads(failed[3])
    assert (stats["success"], stats["query/bytes"]) == (False, -1)
    assert "too slow" in stats["exception"]


def test_the_log_of_the_process_is_another_place(query_json, query, caplog):
    with caplog.at_level(logging.INFO, logger="nemeton.dataserver.request_log"):
        ended(RequestLog(LoggingRequestLogger(query_json), RequestLoggingConfig(), ManualClock()), query)
    assert "\t10.0.0.7\t" in caplog.text


class Recording(RequestLogger):
    def __init__(self, failure=None):
        self.lines, self.failure = [], failure

    def log_native_query(self, line):
        if self.failure is not None:
            raise self.failure
        self.lines.append(line)


def test_quick_queries_may_be_left_out(query):
    logger = Recording()
    log = RequestLog(logger, RequestLoggingConfig(query_time_threshold_ms=1000), ManualClock())
    ended(log, query)
    ended(log, query, since=2.0)
    assert len(logger.lines) == 1


def test_a_logger_that_fails_fails_no_query(query, caplog):
    ended(RequestLog(Recording(OSError("disk full")), RequestLoggingConfig(), ManualClock()), query)
    assert "could not be written down" in caplog.text
