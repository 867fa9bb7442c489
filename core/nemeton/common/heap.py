"""How often a server looks for cyclic garbage."""

from __future__ import annotations

import gc

_THRESHOLDS = (50_000, 20, 50)


def calm_collector() -> None:
    """Have this process, a server, look for cyclic garbage seldom.

    Python's defaults are those of small programs: they look after every 700 new objects, and an Overlord with ten
    thousand tasks spends a third of its time so. Nearly all garbage has no cycles and goes at once in any case.
    """
    gc.set_threshold(*_THRESHOLDS)


def settle_heap() -> None:
    """Take what there is now, a server that has just started, out of all later searches for garbage."""
    gc.collect()
    gc.freeze()
