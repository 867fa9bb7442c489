"""What hooks return."""

from __future__ import annotations

from collections.abc import Sequence

from nemeton.plugins import LazyType

Types = Sequence[type | LazyType]
"""What a hook returns that files classes: classes marked with ``@json_type``, or ``lazy(name, "module:Class")``."""
