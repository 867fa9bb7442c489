"""Task logs in a folder."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.storage.config import FileTaskLogsConfig
from nemeton.storage.task_logs import FileTaskLogs, stream_file


@pytest.fixture
def logs(tmp_path) -> FileTaskLogs:
    return FileTaskLogs(FileTaskLogsConfig(directory=str(tmp_path / "logs")))


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "source"
    file.write_bytes(b"0123456789")
    return file


def whole(pieces) -> bytes | None:
    return None if pieces is None else b"".join(pieces)


@pytest.mark.parametrize(
    ("offset", "wanted"),
    [
        (0, b"0123456789"),
        (4, b"456789"),
        (10, b""),
        (99, b""),
        (-3, b"789"),
        (-10, b"0123456789"),
        (-99, b"0123456789"),
    ],
)
def test_a_log_from_an_offset(logs, source, offset, wanted):
    logs.push_task_log("index_a_2024-01-01T00:00:00.000Z", source)
    assert whole(logs.stream_task_log("index_a_2024-01-01T00:00:00.000Z", offset)) == wanted


def test_reports_and_status(logs, source, tmp_path):
    logs.push_task_reports("t", source)
    assert whole(logs.stream_task_reports("t")) == b"0123456789"
    assert logs.stream_task_status("t") is None
    logs.push_task_status("t", source)
    assert whole(logs.stream_task_status("t")) == b"0123456789"
    assert logs.stream_task_log("t") is None
    assert sorted(f.name for f in (tmp_path / "logs").iterdir()) == ["t.report.json", "t.status.json"]


def test_what_was_pushed_last_holds(logs, source):
    logs.push_task_log("t", source)
    source.write_bytes(b"new")
    logs.push_task_log("t", source)
    assert whole(logs.stream_task_log("t")) == b"new"


def test_a_stream_outlives_the_file_and_ends_where_it_ended(logs, source, tmp_path):
    logs.push_task_log("t", source)
    stream = logs.stream_task_log("t")
    with (tmp_path / "logs/t.log").open("ab") as f:
        f.write(b"more")
    logs.kill_all()
    assert whole(stream) == b"0123456789"
    assert logs.stream_task_log("t") is None


@pytest.mark.parametrize("task_id", ["../t", "a/b", "", "x\0y", "/etc/passwd"])
def test_ids_do_not_lead_elsewhere(logs, source, task_id):
    for call in (lambda: logs.push_task_log(task_id, source), lambda: logs.stream_task_log(task_id)):
        with pytest.raises(DruidException, match="cannot be the name of a file"):
            call()


def test_old_logs_are_removed(logs, source, tmp_path):
    logs.kill_older_than(10**15)  # before there is a folder
    for name in ("old", "new"):
        logs.push_task_log(name, source)
    os.utime(tmp_path / "logs/old.log", (1000, 1000))
    logs.kill_older_than(1_000_001)
    assert logs.stream_task_log("old") is None
    assert whole(logs.stream_task_log("new")) == b"0123456789"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 200_000), offset=st.integers(-250_000, 250_000))
def test_any_offset_is_pythons_slice(tmp_path, size, offset):
    content = bytes(i % 251 for i in range(size))
    (tmp_path / "f").write_bytes(content)
    assert whole(stream_file(tmp_path / "f", offset)) == content[offset:]
