"""Telling apart properties that are implemented, known to Druid but of no meaning here, and unknown."""

from __future__ import annotations

import difflib
import fnmatch
import functools
from collections.abc import Iterable
from importlib import resources

from attrs import frozen

from nemeton.config.problems import Problem
from nemeton.config.properties import Properties

_ALWAYS = ("druid.indexer.fork.property.*",)


@frozen
class Sorted:
    """The ``druid.*`` properties of a process that no part of it reads."""

    without_meaning: list[str]
    """Known to Druid 33; nothing here has a use for them."""
    problems: list[Problem]
    """Not known at all, each with the nearest match."""


@functools.cache
def druid_properties() -> frozenset[str]:
    """Names (with ``*`` for a free part) of the properties in Druid 33's reference that mean nothing here."""
    text = resources.files("nemeton.config").joinpath("druid_properties.txt").read_text(encoding="utf-8")
    return frozenset(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def sort_unread(properties: Properties, implemented: Iterable[str]) -> Sorted:
    """Sort the properties that are not in `implemented` (names, or patterns with ``*``)."""
    names = set(implemented)
    patterns = [name for name in (*names, *_ALWAYS) if "*" in name]
    without_meaning: list[str] = []
    problems: list[Problem] = []
    for key in sorted(properties):
        if not key.startswith("druid.") or key in names or _matches(key, patterns):
            continue
        if key in druid_properties() or _matches(key, [name for name in druid_properties() if "*" in name]):
            without_meaning.append(key)
        else:
            problems.append(Problem(key, properties.origin(key), f"is not known{_nearest(key, names)}"))
    return Sorted(without_meaning, problems)


def _matches(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns)


def _nearest(key: str, names: set[str]) -> str:
    candidates = [name for name in (*names, *druid_properties()) if "*" not in name]
    found = difflib.get_close_matches(key, candidates, n=1, cutoff=0.75)
    return f"; did you mean [{found[0]}]?" if found else "; take it away, or install the extension that reads it"
