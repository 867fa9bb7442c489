"""Core's emitters."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def emitters() -> list[type | LazyType]:
    """Noop and logging."""
    return [
        lazy("noop", "nemeton.emitter.noop:NoopEmitter"),
        lazy("logging", "nemeton.emitter.logging_emitter:LoggingEmitter"),
    ]
