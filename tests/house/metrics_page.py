"""docs/metrics.md, read: which metrics there are, of which monitor, in which roles, with which dimensions."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import field, frozen

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
_SECTION = re.compile(r"^### (.+)$", re.MULTILINE)
_ROLES = re.compile(r"^Roles: (all but |all|)([\w, ]*)", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_EXAMPLE = re.compile(r"^```properties\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@frozen
class Section:
    """``names``: the monitor's, its own first; none where no monitor measures."""

    title: str
    names: tuple[str, ...]
    roles: str
    metrics: dict[str, frozenset[str]] = field(factory=dict)
    """The dimensions by the metric."""


def sections() -> list[Section]:
    """Those with a table of metrics."""
    _, *parts = _SECTION.split(PAGE.read_text(encoding="utf-8"))
    return [_section(title, text.split("\n## ")[0]) for title, text in zip(parts[::2], parts[1::2], strict=True)]


def _section(title: str, text: str) -> Section:
    roles = _ROLES.search(text)
    assert roles, f"{title}: it does not say which roles"
    rows = [line.strip("| ").split(" |") for line in text.splitlines() if line.startswith("| `")]
    assert all(len(row) in (3, 4) and row[2].strip() for row in rows), f"{title}: a metric needs a meaning and a unit"
    metrics = {_CODE.findall(row[0])[0]: frozenset(_CODE.findall("".join(row[3:]))) for row in rows}
    assert len(metrics) == len(rows), f"{title}: a metric stands there twice"
    return Section(title, tuple(_CODE.findall(title)), (roles[1] + roles[2]).rstrip(" ,"), metrics)


def documented() -> dict[str, frozenset[str]]:
    """The dimensions of each metric, of all sections."""
    found: dict[str, frozenset[str]] = {}
    for section in sections():
        for name, dims in section.metrics.items():
            assert name not in found, f"{name} stands in two sections"
            found[name] = dims
    return found


def examples() -> list[dict[str, str]]:
    """The properties of each example."""
    return [
        dict(line.split("=", 1) for line in match.splitlines())  # type: ignore[misc]
        for match in _EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    ]
