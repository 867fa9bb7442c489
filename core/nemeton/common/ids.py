"""Random ids as Druid makes them."""

from __future__ import annotations

import random
import uuid

_LETTERS = "abcdefghijklmnop"
_random = random.SystemRandom()


def random_suffix() -> str:
    """Eight letters a–p that hold 32 random bits; the tail of task ids."""
    return "".join(_random.choice(_LETTERS) for _ in range(8))


def task_id(prefix: str | None, type_name: str, data_source: str, now: str) -> str:
    """A new task id: ``[prefix_]type_dataSource_suffix_time``."""
    parts = [type_name, data_source, random_suffix(), now]
    return "_".join([prefix, *parts] if prefix else parts)


def query_id() -> str:
    """A new query id."""
    return str(uuid.uuid4())
