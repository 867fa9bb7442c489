"""The emitter that emits nothing; the default, as in Druid."""

from __future__ import annotations

from nemeton.plugins import json_type
from nemeton.spi.emitter import Emitter, Event


@json_type("noop")
class NoopEmitter(Emitter):
    """Forgets all events."""

    def emit(self, event: Event) -> None:
        """Nothing."""
