"""Column types (until `nemeton.model` has them)."""

from __future__ import annotations

try:
    from nemeton.model import ColumnType
except ImportError:

    class ColumnType(str):  # type: ignore[no-redef]
        @classmethod
        def parse(cls, name):
            return cls(name)
