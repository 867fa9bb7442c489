"""What the tests share: the extension on Hadoop's HDFS."""

from __future__ import annotations

import itertools

import pytest

from nemeton.common.clock import SystemClock
from nemeton_hdfs.config import WebHdfsConfig
from nemeton_hdfs.store import WebHdfsStore

_numbers = itertools.count(1)


@pytest.fixture
def config(hdfs) -> WebHdfsConfig:
    return WebHdfsConfig(urls=[hdfs.url], user="nemeton")


@pytest.fixture
def store(config) -> WebHdfsStore:
    return WebHdfsStore(config, SystemClock())


@pytest.fixture
def folder(hdfs) -> str:
    """A folder of the test's own, not made yet."""
    return f"hdfs://127.0.0.1:{hdfs.rpc_port}/tests/{next(_numbers)}"
