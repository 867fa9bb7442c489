"""How the rows of one interval are divided among segments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from nemeton.common.errors import invalid_input, unsupported

DEFAULT_MAX_ROWS_PER_SEGMENT = 5_000_000
DEFAULT_MAX_TOTAL_ROWS = 20_000_000
_LATER = ("hashed", "single_dim", "range")


@frozen(kw_only=True)
class DynamicPartitionsSpec:
    """In the order of arrival, each segment up to ``max_rows_per_segment``; pushed early beyond ``max_total_rows``."""

    max_rows_per_segment: int = DEFAULT_MAX_ROWS_PER_SEGMENT
    max_total_rows: int | None = None

    @property
    def rows_before_push(self) -> int:
        """How many rows a task holds at most before it pushes the segments it has."""
        return DEFAULT_MAX_TOTAL_ROWS if self.max_total_rows is None else self.max_total_rows

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> DynamicPartitionsSpec:
        """From its object; other kinds are refused as unsupported. Numbers that are not positive mean the default."""
        if not isinstance(value, Mapping):
            raise invalid_input("partitionsSpec: an object is expected")
        kind = value.get("type", "dynamic")
        if kind in _LATER:
            raise unsupported(f"partitionsSpec of type[{kind}] is not supported yet; use dynamic (tuningConfig)")
        if kind != "dynamic":
            raise invalid_input(f"partitionsSpec: unknown type[{kind}], known are {['dynamic', *_LATER]}")
        rows = _positive(value.get("maxRowsPerSegment"), "maxRowsPerSegment")
        total = _positive(value.get("maxTotalRows"), "maxTotalRows")
        return cls(max_rows_per_segment=rows or DEFAULT_MAX_ROWS_PER_SEGMENT, max_total_rows=total)

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": "dynamic",
            "maxRowsPerSegment": self.max_rows_per_segment,
            "maxTotalRows": self.max_total_rows,
        }


def _positive(value: Any, name: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid_input(f"partitionsSpec.{name}: a whole number is expected, not [{value}]")
    return value if value > 0 else None
