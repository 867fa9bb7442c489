"""docs/design/coverage.md has every numbered behaviour once, and what it names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "design" / "coverage.md"
CORE = ROOT / "core" / "nemeton"
BEHAVIOURS = {
    1: 9, 2: 12, 3: 8, 4: 11, 5: 12, 6: 12, 7: 10, 8: 22, 9: 47, 10: 6, 11: 4, 12: 9, 13: 5, 14: 14, 15: 55, 16: 12,
    17: 3, 18: 4, 19: 6, 20: 5, 21: 3, 22: 5, 23: 26, 24: 11, 25: 6, 26: 7, 27: 2,
}  # fmt: skip
"""How many behaviours each system has."""
WHOLE = (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14, 19, 20, 21, 22, 23, 24, 25, 26, 27)
"""Systems of which nothing may be left for later: all but the Coordinator's duties, and streaming."""


def rows_of(pattern):
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if re.match(pattern, line)
    ]


ROWS = rows_of(r"\| \d+\.\d+ \|")


def home(path, usual):
    """Where a path of the page begins: those of extensions at the root."""
    return ROOT if path.startswith("extensions/") else usual


def named(cell):
    return re.findall(r"`([^`]+)`", cell)


def refers(cell):
    return [name for name in named(cell) if "::" in name]


def is_partly_later(cell):
    return not cell.startswith("later") and re.search(r"\blater\b", re.sub(r"`[^`]*`", "", cell))


def test_every_number_occurs_once_in_order():
    wanted = [f"{system}.{number}" for system, count in BEHAVIOURS.items() for number in range(1, count + 1)]
    assert [row[0].strip("| ") for row in ROWS] == wanted
    assert len(wanted) == 326


@pytest.mark.parametrize("system", BEHAVIOURS)
def test_what_is_named_exists(system):
    for number, _, modules, shown in (row for row in ROWS if row[0].strip("| ").startswith(f"{system}.")):
        if shown.startswith("later"):
            assert modules == "–", number
            continue
        check_names(number, modules, shown)


@pytest.mark.parametrize("row", [row[1:] for row in rows_of(r"\| D\d+ \|")], ids=lambda row: row[0])
def test_what_is_named_of_the_data_plane_exists(row):
    what, modules, shown = row
    check_names(what, modules, shown)


def check_names(number, modules, shown):
    assert named(modules), number
    assert refers(shown), number
    for module in named(modules):
        assert (home(module, CORE) / module).is_file(), f"{number}: {module}"
    for test in refers(shown):
        path, *names = test.split("::")
        file = home(path, CORE if path.startswith("testkit/") else ROOT / "tests") / path
        assert file.is_file(), f"{number}: {path}"
        text = file.read_text(encoding="utf-8")
        for name in names:
            assert re.search(rf"^\s*(def {name}\(|class {name}\b|{name} = )", text, re.M), f"{number}: {test}"


def test_systems_that_are_whole():
    for number, _, _, shown in ROWS:
        number = number.strip("| ")
        if int(number.split(".")[0]) in WHOLE:
            assert not shown.startswith("later"), number
            assert not is_partly_later(shown), number


def test_the_counts_that_the_page_tells():
    later = sum(row[3].startswith("later") for row in ROWS)
    partly = sum(bool(is_partly_later(row[3])) for row in ROWS)
    shown = len(ROWS) - later - partly
    assert f"{shown} are shown, {partly} in part, and {later} come later" in PAGE.read_text(encoding="utf-8")
