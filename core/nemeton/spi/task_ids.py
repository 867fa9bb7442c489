"""Ids of tasks as Druid makes and checks them."""

from __future__ import annotations

import re
import time

_WHITESPACE_BUT_SPACE = re.compile(r"[^\S ]")


def new_task_id(type_name: str, data_source: str, *parts: str, now_ms: int | None = None) -> str:
    """Return ``<type>_<dataSource>_<suffix>[_<part>…]_<time>``."""
    from nemeton.common.ids import random_suffix
    from nemeton.time import format_datetime

    now = int(time.time() * 1000) if now_ms is None else now_ms
    return "_".join([type_name, data_source, random_suffix(), *parts, format_datetime(now)])


def check_id(what: str, value: str) -> None:
    """Refuse an id or a data source name that could not be a file name or a ZooKeeper node. Raises ``invalidInput``."""
    from nemeton.common.errors import invalid_input

    problem = None
    if not value:
        problem = "must not be null"
    elif value.startswith("."):
        problem = f"Value [{value}] cannot start with '.'."
    elif "/" in value:
        problem = f"Value [{value}] cannot contain '/'."
    elif _WHITESPACE_BUT_SPACE.search(value):
        problem = f"Value [{value}] contains illegal whitespace characters. Only space is allowed."
    elif any(not _allowed(ch) for ch in value):
        problem = f"Value [{value}] contains illegal UTF-8 character"
    if problem:
        raise invalid_input(f"Invalid value for field [{what}]: {problem}")


def _allowed(ch: str) -> bool:
    code = ord(ch)
    return not (code <= 0x1F or 0x7F <= code <= 0x9F or 0xD800 <= code <= 0xF8FF or 0xFFF0 <= code <= 0xFFFF)
