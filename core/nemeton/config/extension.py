"""Core's password providers."""

from __future__ import annotations

from collections.abc import Sequence

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def password_providers() -> Sequence[type | LazyType]:
    """The kinds that Druid has built in."""
    return [
        lazy("default", "nemeton.config.passwords:DefaultPasswordProvider"),
        lazy("environment", "nemeton.config.passwords:EnvironmentVariablePasswordProvider"),
    ]
