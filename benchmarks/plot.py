"""A figure of line plots with logarithmic axes, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from attrs import frozen

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 420, 280, 62, 34, 14, 46
_COLOURS = ("#1f6fb4", "#d1662b", "#3a8f4d", "#8a56a8")


@frozen
class Panel:
    """One plot: by name the points of its lines, all positive."""

    title: str
    x: str
    y: str
    lines: dict[str, Sequence[tuple[float, float]]]


def figure(panels: Sequence[Panel], columns: int = 2) -> str:
    """All panels beside and below each other."""
    height = _HEIGHT * -(-len(panels) // columns)
    size = f'width="{_WIDTH * columns}" height="{height}" viewBox="0 0 {_WIDTH * columns} {height}"'
    style = 'font-family="sans-serif" font-size="11"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for i, panel in enumerate(panels):
        parts += [
            f'<g transform="translate({_WIDTH * (i % columns)},{_HEIGHT * (i // columns)})">',
            *_panel(panel),
            "</g>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def decades(values: Sequence[float]) -> list[int]:
    """The powers of ten from at or below the least value to at or above the largest, two at least."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return list(range(low, max(high, low + 1) + 1))


def _panel(panel: Panel) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    if not points:
        return []
    xs, ys = decades([x for x, _ in points]), decades([y for _, y in points])
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def across(x: float) -> float:
        return round(_LEFT + (math.log10(x) - xs[0]) / (xs[-1] - xs[0]) * (right - _LEFT), 1)

    def down(y: float) -> float:
        return round(bottom - (math.log10(y) - ys[0]) / (ys[-1] - ys[0]) * (bottom - _TOP), 1)

    parts = [_text(_LEFT, 20, panel.title, "start", "bold"), _text((_LEFT + right) / 2, _HEIGHT - 10, panel.x)]
    parts.append(f'<text x="0" y="0" text-anchor="middle" transform="translate(14,{(_TOP + bottom) / 2}) rotate(-90)">')
    parts[-1] += f"{escape(panel.y)}</text>"
    for power in xs:
        parts += [_rule(across(10.0**power), _TOP, across(10.0**power), bottom)]
        parts += [_text(across(10.0**power), bottom + 16, f"{10.0**power:,g}")]
    for power in ys:
        parts += [_rule(_LEFT, down(10.0**power), right, down(10.0**power))]
        parts += [_text(_LEFT - 6, down(10.0**power) + 4, f"{10.0**power:,g}", "end")]
    for i, (name, line) in enumerate(panel.lines.items()):
        colour, placed = _COLOURS[i % len(_COLOURS)], [(across(x), down(y)) for x, y in line]
        path = " ".join(f"{x},{y}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in placed]
        parts.append(_text(right - 4, _TOP + 14 + 14 * i, name, "end").replace("<text", f'<text fill="{colour}"', 1))
    return parts


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#ddd"/>'
