"""The emitter that writes events into the log."""

from __future__ import annotations

import logging

from attrs import field, frozen, validators

from nemeton.json import Json
from nemeton.plugins import json_type
from nemeton.spi.emitter import Emitter, Event

_LEVELS = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "error": 40}


def _lower(level: str) -> str:
    return level.lower()


@frozen
class LoggingEmitterConfig:
    """``druid.emitter.logging.*``: the logger's name and the level."""

    logger_class: str = "nemeton.emitter.LoggingEmitter"
    log_level: str = field(default="info", converter=_lower, validator=validators.in_(_LEVELS))


@json_type("logging")
class LoggingEmitter(Emitter):
    """Logs each event as one line of JSON."""

    def __init__(self, config: LoggingEmitterConfig, json: Json) -> None:
        self._log = logging.getLogger(config.logger_class)
        self._level = _LEVELS[config.log_level]
        self._json = json

    def emit(self, event: Event) -> None:
        """Log it, unless the level is off."""
        if self._log.isEnabledFor(self._level):
            self._log.log(self._level, "%s", self._json.dumps(event.to_json()).decode())
