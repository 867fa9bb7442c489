"""``druid.msq.intermediate.storage.*``."""

from __future__ import annotations

from typing import Any

from attrs import Attribute, field, frozen, validators

_DAY_S = 86_400


def _is_local(_: Any, __: Attribute[Any], value: str) -> None:
    if value != "local":
        raise ValueError(f"type: durable storage of type [{value}] is not supported here; the only one is [local]")


def _is_there_if_enabled(config: DurableStorageConfig, _: Attribute[Any], value: str | None) -> None:
    if config.enable and not value:
        raise ValueError("basePath: must be set where durable storage is enabled")


@frozen(kw_only=True)
class DurableStorageConfig:
    """``druid.msq.intermediate.storage.*``: where workers of multi-stage queries share files."""

    enable: bool = False
    type: str = field(default="local", validator=_is_local)
    base_path: str | None = field(default=None, validator=_is_there_if_enabled)


@frozen(kw_only=True)
class DurableStorageCleanerConfig:
    """``druid.msq.intermediate.storage.cleaner.*``: whether, and how many seconds apart, it is cleaned."""

    enabled: bool = False
    delay_seconds: int = field(default=_DAY_S, validator=validators.ge(1))
