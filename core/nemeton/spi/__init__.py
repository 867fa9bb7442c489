"""What authors of extensions import: the marks, the abstract types behind each hook, the hookspecs.

Names are imported from their modules when they are first asked for, so that ``import nemeton.spi`` stays light.
"""

from __future__ import annotations

import importlib
from typing import Any

from nemeton.plugins import extension_point, hookimpl, hookspec, json_type, lazy
from nemeton.spi.hookspecs import API

_LAZY: dict[str, str] = {
    "DataSegmentKiller": "nemeton.spi.storage",
    "DataSegmentMover": "nemeton.spi.storage",
    "DataSegmentPuller": "nemeton.spi.storage",
    "DataSegmentPusher": "nemeton.spi.storage",
    "DeepStorage": "nemeton.spi.storage",
    "SegmentLoadingError": "nemeton.spi.storage",
    "TaskLogs": "nemeton.spi.storage",
}
"""Name → module that defines it. Whoever adds an abstract type to a module of this room adds its name here."""


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])


__all__ = ["API", "extension_point", "hookimpl", "hookspec", "json_type", "lazy"]
