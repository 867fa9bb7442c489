"""The lines of the program's log."""

import io
import logging
import time

import pytest

from nemeton.cli.logs import _GatheringHandler, configure_logging
from nemeton.testkit.waiting import eventually


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


@pytest.fixture
def gathered():
    """A logger of its own, whom no other thread disturbs, with the handler of servers; and what it has written."""
    handler, logger, out = _GatheringHandler(), logging.Logger("alone"), io.StringIO()
    handler.setStream(out)
    logger.addHandler(handler)
    return handler, logger, out


def test_a_line_after_a_pause_is_written_at_once_and_those_right_behind_it_soon(gathered):
    handler, logger, out = gathered
    logger.info("first")
    assert out.getvalue() == "first\n"
    handler._written_at = time.monotonic() + 3600  # whatever the machine does: the last write was just now
    logger.info("second")
    logger.info("third")
    eventually(lambda: out.getvalue() == "first\nsecond\nthird\n", "the lines are written, in order")


def test_a_warning_waits_for_nothing_and_takes_the_lines_before_it_along(gathered, monkeypatch):
    handler, logger, out = gathered
    monkeypatch.setattr(handler, "_call_writer", lambda: None)
    handler._written_at = time.monotonic() + 3600
    logger.info("before")
    assert out.getvalue() == ""
    logger.warning("now")
    assert out.getvalue() == "before\nnow\n"


def test_the_end_of_the_process_loses_no_line(gathered, monkeypatch):
    handler, logger, out = gathered
    monkeypatch.setattr(handler, "_call_writer", lambda: None)
    handler._written_at = time.monotonic() + 3600
    logger.info("last")
    handler.flush()  # as logging.shutdown does
    assert out.getvalue() == "last\n"


def test_servers_gather():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        configure_logging(gathering=True)
        assert isinstance(root.handlers[0], _GatheringHandler)
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_records_have_what_any_formatter_may_ask_for(lines):
    made = []
    handler = logging.Handler()
    handler.emit = made.append
    logger = logging.Logger("alone")
    logger.addHandler(handler)
    logger.info("Task [%s] took %d ms", "a", 3)
    logger.info("%(one)s", {"one": 1})
    logger.info("plain %s")
    assert [record.getMessage() for record in made] == ["Task [a] took 3 ms", "1", "plain %s"]
    everything = " ".join(f"%({name})s" for name in logging.LogRecord("n", 20, "p", 1, "m", (), None).__dict__)
    assert all(logging.Formatter(everything).format(record).startswith("alone ") for record in made)
