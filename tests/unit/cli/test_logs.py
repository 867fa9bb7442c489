"""The lines of the program's log."""

import io
import logging

import pytest

from nemeton.cli.logs import configure_logging


@pytest.fixture
def lines(monkeypatch):
    monkeypatch.delenv("NEMETON_LOG", raising=False)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configure_logging()
    out = io.StringIO()
    root.handlers[0].setStream(out)
    yield out
    root.handlers[:] = before
    root.setLevel(level)


def _full(record):
    return logging.getLogger().handlers[0].formatter._full.format(record)


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING, logging.ERROR])
def test_the_quick_way_writes_what_the_console_renderer_writes(lines, level):
    logger = logging.getLogger("nemeton.some.part")
    record = logger.makeRecord(logger.name, level, "file", 1, "Task [%s] took %d ms", ("a", 3), None)
    quick = logging.getLogger().handlers[0].formatter.format(record)
    assert quick.split(" ", 1)[1] == _full(record).split(" ", 1)[1]
    assert len(quick.split(" ", 1)[0]) == len("2026-11-26T19:28:45.984026Z")


def test_errors_have_their_traceback(lines):
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("nemeton.some.part").exception("Task [%s] failed", "a")
    assert "[error    ] Task [a] failed [nemeton.some.part]\nTraceback" in lines.getvalue()
    assert "ValueError: broken" in lines.getvalue()
