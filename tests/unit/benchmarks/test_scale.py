"""What the benchmark of Overlords makes of its runs."""

from __future__ import annotations

import pytest
from benchmarks.scale import Result, Setting, Size, compare, ratios


def run_of(side, rate, threads=1):
    setting = Setting(side=side, protocol="httpRemote", threads=threads, size=Size())
    return Result(setting, completes=True, assigned=10_000, assignments_per_s=rate)


RUNS = [("nemeton", 5000.0), ("druid", 500.0), ("nemeton", 9000.0), ("druid", 100.0), ("nemeton", 5500.0)]


def test_medians_are_compared_and_every_single_run_is_kept():
    (found,) = ratios([run_of(*each) for each in [*RUNS, ("druid", 550.0)]])
    assert found["ratio"] == pytest.approx(5500 / 500)
    assert found["medians"] == {"nemeton": 5500.0, "druid": 500.0}
    assert found["assignments_per_s"] == {"nemeton": [5000.0, 9000.0, 5500.0], "druid": [500.0, 100.0, 550.0]}


@pytest.mark.parametrize(("rate", "verdict"), [(5000.0, "holds"), (4999.0, "MISSED")])
def test_each_run_is_printed_with_the_verdict(capsys, rate, verdict):
    compare([run_of("nemeton", rate), run_of("druid", 500.0), run_of("nemeton", 3000.0, threads=8)])
    said = capsys.readouterr().out
    assert f"the median of {rate:.0f}" in said
    assert said.rstrip().endswith(f"(wanted: 10.0) {verdict}")
    assert "8 threads" not in said, "one side alone is no comparison"
