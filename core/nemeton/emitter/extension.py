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


@hookimpl
def monitors() -> list[type | LazyType]:
    """Those that any role may have; the names after the first are Druid's."""
    package = "nemeton.emitter.monitors"
    return [
        lazy("process", f"{package}.process:ProcessMonitor", "JvmMonitor", "JvmCpuMonitor", "JvmThreadsMonitor"),
        lazy("system", f"{package}.system:SystemMonitor", "OshiSysMonitor", "SysMonitor"),
        lazy(
            "httpEmitter",
            f"{package}.emitters:HttpEmittingMonitor",
            "HttpEmittingMonitor",
            "HttpPostEmitterMonitor",
            "ParametrizedUriEmitterMonitor",
        ),
        lazy("heartbeat", f"{package}.heartbeat:ServiceStatusMonitor", "ServiceStatusMonitor"),
    ]
