"""Servers of many rows have the compiled kernels before their first query; small ones never load them."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from tests.unit.dataserver.kit import hourly_segment

from nemeton.dataserver import preloading
from nemeton.dataserver.preloading import KernelPreloader
from nemeton.dataserver.segments import SegmentManager
from nemeton.query import kernels

FEW = 100


@pytest.fixture
def loads(monkeypatch):
    """What the process would load: a list of the threads that did, and an event for the first."""
    compiled, found, once = kernels._Compiled(), [], threading.Event()

    def load():
        found.append(threading.current_thread().name)
        once.set()

    monkeypatch.setattr(compiled, "load", load)
    monkeypatch.setattr(preloading, "COMPILE_AFTER", FEW)
    monkeypatch.setattr(kernels, "compiled_kernels", compiled)
    return found, once


def test_a_server_of_many_rows_loads_kernels_once_it_is_announced_in_a_thread_of_their_own(loads):
    found, once = loads
    manager = SegmentManager()
    manager.add(hourly_segment(0, 60))
    manager.add(hourly_segment(1, 60))
    preloader = KernelPreloader(manager)
    assert found == []  # what is loaded at the start holds the start up by nothing
    preloader.start()
    assert once.wait(10)
    assert found == ["load-kernels"]


def test_segments_that_come_later_count(loads):
    found, once = loads
    manager = SegmentManager()
    KernelPreloader(manager).start()
    manager.add(hourly_segment(0, 60))
    manager.add(hourly_segment(1, None))
    assert not once.wait(0.05)
    for number in range(2, 6):
        manager.add(hourly_segment(number, 60))
    assert once.wait(10)
    assert found == ["load-kernels"]


def test_a_small_server_stays_small(loads):
    """Rows that are gone do not count."""
    found, _ = loads
    manager = SegmentManager()
    KernelPreloader(manager).start()
    for number in range(10):
        each = hourly_segment(number, 60)
        assert manager.add(each)
        assert not manager.add(hourly_segment(number, 60))  # the same one again
        assert manager.drop(each.data_segment)
        assert not manager.drop(each.data_segment)
    assert manager.num_rows == 0
    assert found == []


def test_a_data_server_starts_without_numpy():
    code = "import sys, nemeton.dataserver.module; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
