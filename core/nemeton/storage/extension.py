"""Core's own deep storage and task logs."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def deep_storages() -> list[type | LazyType]:
    """The storage that needs no service."""
    return [lazy("local", "nemeton.storage.local:LocalDeepStorage")]


@hookimpl
def task_logs() -> list[type | LazyType]:
    """Task logs in a folder."""
    return [lazy("file", "nemeton.storage.task_logs:FileTaskLogs")]
