"""What the benchmark of ingestion prints, from what it measured."""

from __future__ import annotations

import attrs
import pytest
from benchmarks.ingestion import Ingested, lines, table

OURS = Ingested("nemeton", "all", 6_000_000, 15.0, 206_000_000, 7, 900 << 20, 800 << 20)
THEIRS = Ingested("Druid 33", "all", 6_000_000, 150.0, 200_000_000, 7, 1300 << 20, 1300 << 20)


def verdicts(ours, theirs):
    return [line.verdict for line in lines(ours, theirs)]


def test_all_three_figures_hold():
    assert verdicts(OURS, THEIRS) == ["holds"] * 3
    assert [line.ratio for line in lines(OURS, THEIRS)] == ["10.0", "", "1.030"]


@pytest.mark.parametrize(
    ("change", "missed"),
    [({"seconds": 20.0}, 0), ({"peak_rss": 1537 << 20}, 1), ({"segment_bytes": 210_000_001}, 2)],
)
def test_each_figure_can_be_missed(change, missed):
    found = verdicts(attrs.evolve(OURS, **change), THEIRS)
    assert [i for i, each in enumerate(found) if each == "MISSED"] == [missed]


def test_alone_only_memory_is_judged():
    assert verdicts(OURS, None) == ["", "holds", ""]


def test_a_table_has_one_line_for_each_figure():
    shown = table(lines(OURS, THEIRS)).splitlines()
    assert len(shown) == 5
    assert {line.count("|") for line in shown} == {7}
