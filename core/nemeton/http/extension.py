"""Core's kinds of authentication and authorization, and the monitor of the server."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def authenticators() -> list[type | LazyType]:
    """Everybody, and who comes without credentials."""
    return [
        lazy("allowAll", "nemeton.http.auth:AllowAllAuthenticator"),
        lazy("anonymous", "nemeton.http.auth:AnonymousAuthenticator"),
    ]


@hookimpl
def authorizers() -> list[type | LazyType]:
    """Everything."""
    return [lazy("allowAll", "nemeton.http.auth:AllowAllAuthorizer")]


@hookimpl
def monitors() -> list[type | LazyType]:
    """That of the server, which runs in any case."""
    return [lazy("http", "nemeton.http.monitor:HttpMonitor", "JettyMonitor")]


@hookimpl
def escalators() -> list[type | LazyType]:
    """No credentials."""
    return [lazy("noop", "nemeton.http.auth:NoopEscalator")]
