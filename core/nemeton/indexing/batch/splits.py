"""How the input is cut for several tasks: ``splitHintSpec``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nemeton.common.errors import invalid_input
from nemeton.common.units import parse_bytes

_GIB = 1 << 30


def split_bounds(hint: Mapping[str, Any]) -> tuple[int, int]:
    """The most bytes and the most entities (files, segments) that a split should have."""
    kind = hint.get("type", "maxSize")
    read = _KINDS.get(kind)
    if read is None:
        raise invalid_input(f"splitHintSpec: unknown type[{kind}], known are {sorted(_KINDS)} (tuningConfig)")
    max_bytes, max_entities = read(hint)
    if max_bytes <= 0 or max_entities <= 0:
        raise invalid_input(f"splitHintSpec: its bounds must be positive, not {dict(hint)} (tuningConfig)")
    return max_bytes, max_entities


def _max_size(hint: Mapping[str, Any]) -> tuple[int, int]:
    return _bytes(hint.get("maxSplitSize"), _GIB), _count(hint.get("maxNumFiles"))


def _segments(hint: Mapping[str, Any]) -> tuple[int, int]:
    return _bytes(hint.get("maxInputSegmentBytesPerTask"), _GIB), _count(hint.get("maxNumSegments"))


def _bytes(value: Any, default: int) -> int:
    return default if value is None else parse_bytes(str(value))


def _count(value: Any) -> int:
    return 1000 if value is None else int(value)


_KINDS: dict[Any, Callable[[Mapping[str, Any]], tuple[int, int]]] = {"maxSize": _max_size, "segments": _segments}
