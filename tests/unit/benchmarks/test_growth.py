"""Sums, tables and the figure of the benchmark of growth, from what it measured."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from benchmarks import growth_data
from benchmarks.growth import PARTS, divide, document, keep, panel, summed, table
from benchmarks.plot import Panel, decades, figure

CLIENTS = [
    {"side": "nemeton", "x": 1, "per_s": 40.0, "p50": 20.0, "p95": 60.0, "failures": 0},
    {"side": "nemeton", "x": 64, "per_s": 80.0, "p50": 700.0, "p95": 900.0, "failures": 2},
    {"side": "Druid 33", "x": 1, "per_s": 10.0, "p50": 80.0, "p95": 300.0, "failures": 0},
]
ROWS = [{"side": "nemeton", "x": 60_000, "ms": 4.0, "median_ms": 5.0}]


@pytest.mark.parametrize(("count", "shares"), [(1, [1, 0, 0, 0]), (8, [2, 2, 2, 2]), (6, [2, 2, 1, 1])])
def test_clients_are_divided_among_processes(count, shares):
    assert divide(count, 4) == shares


def test_what_client_processes_saw_is_summed():
    reports = [
        {"millis": [30.0, 10.0], "failures": 0, "first_failure": []},
        {"millis": [20.0, 40.0], "failures": 1, "first_failure": ["503"]},
    ]
    assert summed(reports, 2.0) == {"per_s": 2.0, "p50": 30.0, "p95": 40.0, "failures": 1, "first_failure": "503"}


def test_nothing_answered_is_a_rate_of_none():
    assert summed([{"millis": [], "failures": 0, "first_failure": []}], 2.0)["per_s"] == 0


def test_a_table_has_a_line_for_each_x_and_gaps_where_a_side_was_not_asked():
    lines = table("clients", CLIENTS).splitlines()
    assert lines[2] == "| 1 | 40.0 | 20.0 (60.0) | 0 | 10.0 | 80.0 (300.0) | 0 |"
    assert lines[3] == "| 64 | 80.0 | 700.0 (900.0) | 2 |  |  |  |"
    assert table("rows", ROWS).splitlines()[2] == "| 60,000 | 4.0 (5.0) |"


def test_parts_of_several_runs_stand_in_one_document(tmp_path):
    keep(tmp_path / "growth.json", "clients", CLIENTS, 0.5)
    found = keep(tmp_path / "growth.json", "rows", ROWS, 3.0)
    text = document(found)
    assert text.index("## Concurrent clients") < text.index("## Rows")
    assert "load before: 3.0" in text
    assert "## Segments" not in text


def test_a_figure_is_xml_with_a_line_for_each_side():
    drawn = ET.fromstring(figure([panel("clients", CLIENTS), panel("rows", ROWS)]))
    lines = drawn.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert [len(line.attrib["points"].split()) for line in lines] == [2, 1, 1]


def test_names_and_titles_are_escaped():
    text = figure([Panel("a < b", "x & y", "ms", {"<side>": [(1, 1)]})])
    assert ET.fromstring(text) is not None


@pytest.mark.parametrize(
    ("values", "powers"), [([7, 10_000], [0, 1, 2, 3, 4]), ([1], [0, 1]), ([0.5, 20], [-1, 0, 1, 2])]
)
def test_axes_go_from_power_to_power(values, powers):
    assert decades(values) == powers


def test_every_part_has_a_name_and_small_segments_hold_as_many_rows_in_all():
    assert set(PARTS) == {"clients", "rows", "segments", "cardinality"}
    assert {growth_data.SMALL_ROWS % count for count in growth_data.SEGMENT_COUNTS} == {0}
