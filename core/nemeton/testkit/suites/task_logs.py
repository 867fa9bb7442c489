"""What every task log storage owes the Overlord and its workers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nemeton.common.errors import DruidException
from nemeton.spi.storage import TaskLogs

_ID = "index_parallel_a b_abcdefgh_2024-01-01T00:00:00.000Z"


def whole(pieces: Iterator[bytes] | None) -> bytes | None:
    """All bytes of a stream; None when there is none."""
    return None if pieces is None else b"".join(pieces)


class TaskLogsSuite:
    """Subclass it, and override the fixture `task_logs`: an empty storage, new for each test."""

    @pytest.fixture
    def task_logs(self) -> TaskLogs:
        """The storage that is tested."""
        raise NotImplementedError("override the fixture `task_logs`")

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """Ten bytes."""
        file = tmp_path / "given"
        file.write_bytes(b"0123456789")
        return file

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
    def test_a_log_from_an_offset(self, task_logs: TaskLogs, file: Path, offset: int, wanted: bytes) -> None:
        """Negative ones count from the end, and either end cuts."""
        task_logs.push_task_log(_ID, file)
        assert whole(task_logs.stream_task_log(_ID, offset)) == wanted

    def test_logs_reports_and_statuses_are_apart(self, task_logs: TaskLogs, file: Path) -> None:
        """And what was not pushed is not there."""
        assert task_logs.stream_task_log("t") is None
        task_logs.push_task_reports("t", file)
        assert whole(task_logs.stream_task_reports("t")) == b"0123456789"
        assert task_logs.stream_task_status("t") is None
        task_logs.push_task_status("t", file)
        assert whole(task_logs.stream_task_status("t")) == b"0123456789"
        assert task_logs.stream_task_log("t") is None

    def test_an_empty_log_is_a_log(self, task_logs: TaskLogs, tmp_path: Path) -> None:
        """A task may print nothing."""
        (tmp_path / "empty").touch()
        task_logs.push_task_log("t", tmp_path / "empty")
        assert whole(task_logs.stream_task_log("t")) == b""

    def test_what_was_pushed_last_holds(self, task_logs: TaskLogs, file: Path) -> None:
        """A task that runs again has a log again; and the caller's file may go."""
        task_logs.push_task_log("t", file)
        file.write_bytes(b"new")
        task_logs.push_task_log("t", file)
        file.unlink()
        assert whole(task_logs.stream_task_log("t")) == b"new"

    @pytest.mark.parametrize("task_id", ["../t", "a/b", "", "x\0y", "/etc/passwd"])
    def test_ids_do_not_lead_elsewhere(self, task_logs: TaskLogs, file: Path, task_id: str) -> None:
        """Neither when writing nor when reading."""
        with pytest.raises(DruidException, match="Task id"):
            task_logs.push_task_log(task_id, file)
        with pytest.raises(DruidException, match="Task id"):
            task_logs.stream_task_log(task_id)

    def test_old_ones_are_removed(self, task_logs: TaskLogs, file: Path) -> None:
        """Those that were stored before a time."""
        task_logs.kill_older_than(10**15)  # before there is anything
        task_logs.push_task_log("t", file)
        now = int(time.time() * 1000)
        task_logs.kill_older_than(now - 60_000)
        assert whole(task_logs.stream_task_log("t")) == b"0123456789"
        task_logs.kill_older_than(now + 60_000)
        assert task_logs.stream_task_log("t") is None

    def test_all_are_removed(self, task_logs: TaskLogs, file: Path) -> None:
        """Of all tasks."""
        for task_id in ("one", "two"):
            task_logs.push_task_log(task_id, file)
            task_logs.push_task_reports(task_id, file)
        task_logs.kill_all()
        assert [task_logs.stream_task_log(task_id) for task_id in ("one", "two")] == [None, None]
        assert task_logs.stream_task_reports("one") is None
