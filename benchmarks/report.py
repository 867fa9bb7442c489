"""Pairs of measurements, and their ratio as a table."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil
from attrs import define, field

from benchmarks.sides import Side


@define
class Comparison:
    """One quantity, measured on both sides in turn. `higher_is_better` turns the ratio round."""

    what: str
    unit: str
    wanted: float
    """How many times better nemeton shall be."""
    higher_is_better: bool = False
    nemeton: list[float] = field(factory=list)
    druid: list[float] = field(factory=list)

    def ratio(self) -> float:
        ours, theirs = statistics.median(self.nemeton), statistics.median(self.druid)
        return ours / theirs if self.higher_is_better else theirs / ours

    def print(self) -> None:
        print(f"\n{self.what} [{self.unit}]")
        for name, values in (("nemeton", self.nemeton), ("Druid 33", self.druid)):
            shown = "  ".join(f"{value:12,.3f}" for value in values)
            print(f"  {name:<9} median {statistics.median(values):12,.3f}   all: {shown}")
        verdict = "holds" if self.ratio() >= self.wanted else "MISSED"
        print(f"  ratio     {self.ratio():.1f} times (wanted: at least {self.wanted:g}) {verdict}", flush=True)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        record = {
            "what": self.what, "unit": self.unit, "nemeton": self.nemeton, "druid": self.druid, "ratio": self.ratio(),
            "wanted": self.wanted, "when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(),
        }  # fmt: skip
        (folder / f"{self.what.split(':')[0].replace(' ', '-')}.json").write_text(json.dumps(record, indent=1) + "\n")


def machine() -> str:
    memory = psutil.virtual_memory().total >> 30
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{psutil.cpu_count()} cores, {memory} GiB, {system}"


def in_pairs(
    comparison: Comparison, pairs: int, sides: Callable[[], tuple[Side, Side]], measure: Callable[[Side], float]
) -> None:
    """Measure in turn, the order swapped in every other pair, one side running at a time."""
    for number in range(pairs):
        ours, theirs = sides()
        for side in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            value = measure(side)
            (comparison.nemeton if side is ours else comparison.druid).append(value)
            print(f"  pair {number + 1}: {side.name:<9} {value:,.3f} {comparison.unit}", flush=True)
