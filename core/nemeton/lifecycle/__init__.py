"""The life of a process's parts: they start in stages, and stop in the reverse order (Druid's ``Lifecycle``)."""

from nemeton.lifecycle.handlers import Handler, lifecycle_start, lifecycle_stop
from nemeton.lifecycle.lifecycle import Lifecycle, LifecycleError, Stage, State

__all__ = ["Handler", "Lifecycle", "LifecycleError", "Stage", "State", "lifecycle_start", "lifecycle_stop"]
