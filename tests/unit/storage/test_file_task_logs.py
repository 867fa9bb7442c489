"""Task logs in a folder."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nemeton.storage.config import FileTaskLogsConfig
from nemeton.storage.task_logs import FileTaskLogs, stream_file
from nemeton.testkit.suites.task_logs import TaskLogsSuite, whole


@pytest.fixture
def logs(tmp_path) -> FileTaskLogs:
    return FileTaskLogs(FileTaskLogsConfig(directory=str(tmp_path / "logs")))


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "source"
    file.write_bytes(b"0123456789")
    return file


class TestFileTaskLogs(TaskLogsSuite):
    @pytest.fixture
    def task_logs(self, logs):
        return logs


def test_names_of_files(logs, source, tmp_path):
    logs.push_task_log("t", source)
    logs.push_task_reports("t", source)
    logs.push_task_status("t", source)
    assert sorted(f.name for f in (tmp_path / "logs").iterdir()) == ["t.log", "t.report.json", "t.status.json"]


def test_a_stream_outlives_the_file_and_ends_where_it_ended(logs, source, tmp_path):
    logs.push_task_log("t", source)
    stream = logs.stream_task_log("t")
    with (tmp_path / "logs/t.log").open("ab") as f:
        f.write(b"more")
    logs.kill_all()
    assert whole(stream) == b"0123456789"
    assert logs.stream_task_log("t") is None


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 200_000), offset=st.integers(-250_000, 250_000))
def test_any_offset_is_pythons_slice(tmp_path, size, offset):
    content = bytes(i % 251 for i in range(size))
    (tmp_path / "f").write_bytes(content)
    assert whole(stream_file(tmp_path / "f", offset)) == content[offset:]
