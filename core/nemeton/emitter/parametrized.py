"""The emitter that posts each event to a URL made of it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from nemeton.common.clock import Clock
from nemeton.common.errors import invalid_input
from nemeton.emitter.http_config import ParametrizedUriEmitterConfig
from nemeton.emitter.http_emitter import BatchedHttpEmitter
from nemeton.emitter.limited import RateLimitedWarning
from nemeton.json import Json
from nemeton.plugins import json_type
from nemeton.spi.emitter import Emitter, Event

log = logging.getLogger(__name__)

_PARAMETER = re.compile(r"\{([^{}]+)\}")
_MAX_URLS = 64


@json_type("parametrized")
class ParametrizedUriEmitter(Emitter):
    """Posts events to ``druid.emitter.parametrized.recipientBaseUrlPattern`` with fields of the event put in.

    ``{feed}`` is ``metrics`` or ``alerts``; any other field of the event may stand there too. Each URL has its own
    batches and its own thread, so their number is bounded; an event beyond it, or without the field, is dropped with
    a warning.
    """

    def __init__(self, config: ParametrizedUriEmitterConfig, json: Json, clock: Clock) -> None:
        """Raises `DruidException` when there is no pattern."""
        if not config.recipient_base_url_pattern:
            raise invalid_input(
                "druid.emitter.parametrized.recipientBaseUrlPattern must be set: an emitter is parametrized"
            )
        self._pattern = config.recipient_base_url_pattern
        self._config = config.http_emitting
        self._json = json
        self._clock = clock
        self._emitters: dict[str, BatchedHttpEmitter] = {}
        self._dropped = RateLimitedWarning(log, clock)

    def emit(self, event: Event) -> None:
        """Give it to the emitter of its URL, which is made and started with the first event."""
        fields = event.to_json()
        try:
            url = self._url_of(fields)
        except KeyError as missing:
            self._dropped.warn("An event has no field %s for %s and is dropped", missing, self._pattern)
            return
        emitter = self._emitters.get(url)
        if emitter is None:
            if len(self._emitters) >= _MAX_URLS:
                self._dropped.warn("%s gives more than %d URLs; an event is dropped", self._pattern, _MAX_URLS)
                return
            emitter = self._emitters[url] = BatchedHttpEmitter(url, self._config, self._json, self._clock)
            emitter.start()
        emitter.emit_fields(fields)

    def _url_of(self, event: Mapping[str, Any]) -> str:
        return _PARAMETER.sub(lambda found: quote(str(event[found[1]]), safe=""), self._pattern)

    def close(self) -> None:
        """Let each send what it has; they are given their time one after the other."""
        for emitter in self._emitters.values():
            emitter.close()

    def http_emitters(self) -> Iterator[tuple[Mapping[str, str], BatchedHttpEmitter]]:
        """One for each URL; for the monitor of emitters."""
        for url, emitter in list(self._emitters.items()):
            yield {"uri": url}, emitter
