"""Damage of any kind gives an error that names the part, whatever is then asked of the segment.

`python -m tests.fuzz.segments --seconds 3600 --every` is the long form of this.
"""

from __future__ import annotations

import pytest
from tests.fuzz.segments import run


def check(report, least_cases):
    assert not report.findings, "\n".join(report.findings.values())
    assert sum(report.outcomes.values()) >= least_cases
    assert report.outcomes["corrupt"] > least_cases // 10


def test_damaged_golden_segments_are_read_or_refused():
    sources = ["mixed_rollup", "mixed_discover", "mixed_lzf", "flights_rollup_day"]
    check(run(seconds=60, seed=20, cases=150, sources=sources), 40)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("every", [False, True])
def test_many_damages(every):
    check(run(seconds=300, seed=21, everything=every), 1000)
