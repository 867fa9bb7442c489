"""Native queries: their model, and the engines that run them over segments.

`QueryEngine` is the way in. Nothing heavy is imported before the first query.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nemeton.query.engine import QueryEngine as QueryEngine
    from nemeton.query.module import QueryModule as QueryModule

_LAZY = {"QueryEngine": "nemeton.query.engine", "QueryModule": "nemeton.query.module"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
