"""Core's emitters."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def emitters() -> list[type | LazyType]:
    """Those that need no library of their own."""
    return [
        lazy("noop", "nemeton.emitter.noop:NoopEmitter"),
        lazy("logging", "nemeton.emitter.logging_emitter:LoggingEmitter"),
        lazy("http", "nemeton.emitter.http_emitter:HttpPostEmitter"),
        lazy("parametrized", "nemeton.emitter.parametrized:ParametrizedUriEmitter"),
        lazy("composing", "nemeton.emitter.groups:ComposingEmitter"),
        lazy("switching", "nemeton.emitter.groups:SwitchingEmitter"),
    ]
