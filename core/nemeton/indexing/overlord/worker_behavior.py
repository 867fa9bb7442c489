"""What the dynamic worker configuration is now."""

from __future__ import annotations

import logging
from typing import Any

from nemeton.common.errors import DruidException
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.overlord.strategies import WorkerBehaviorConfig
from nemeton.json import Json
from nemeton.metadata.dynamic_config import ConfigManager
from nemeton.spi.indexing import WorkerSelectStrategy
from nemeton.spi.provisioning import AutoScaler

log = logging.getLogger(__name__)

CONFIG_KEY = "worker.config"

_PARTS = {"selectStrategy": WorkerSelectStrategy, "autoScaler": AutoScaler}


class WorkerBehaviorConfigProvider:
    """The worker configuration, held in memory: asked for at each assignment of a task. Thread-safe.

    A change through this process counts at once, one of another process within ``druid.manager.config.pollDuration``.
    A stored part that cannot be read here (its extension is not loaded, or it is ``javascript``) counts as not set,
    with an alert; the store keeps it.
    """

    def __init__(self, configs: ConfigManager, json: Json, emitter: ServiceEmitter) -> None:
        self._json = json
        self._emitter = emitter
        self._current = WorkerBehaviorConfig()
        configs.watch(CONFIG_KEY, self._take)

    def current(self) -> WorkerBehaviorConfig:
        """The configuration now; the defaults while none was ever set. Never waits for the store."""
        return self._current

    def _take(self, payload: bytes | None) -> None:
        self._current = WorkerBehaviorConfig() if payload is None else self._read(payload)
        log.info("The worker configuration is now %s", self._current)

    def _read(self, payload: bytes) -> WorkerBehaviorConfig:
        try:
            stored = self._json.loads(payload, dict[str, Any])
        except DruidException as failure:
            self._emitter.alert("The stored worker configuration is no JSON object", exception=failure)
            return WorkerBehaviorConfig()
        readable = {name: stored[name] for name, base in _PARTS.items() if self._is_readable(name, stored, base)}
        return self._json.structure(readable, WorkerBehaviorConfig)

    def _is_readable(self, name: str, stored: dict[str, Any], base: type) -> bool:
        if stored.get(name) is None:
            return False
        try:
            self._json.structure(stored[name], base)
        except DruidException as failure:
            self._emitter.alert(f"[{name}] of the stored worker configuration counts as not set", exception=failure)
            return False
        return True
