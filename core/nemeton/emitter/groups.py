"""Emitters that hand events on to others: to all of them, or by feed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from attrs import field, frozen

from nemeton.common.clock import Clock
from nemeton.common.errors import invalid_input
from nemeton.emitter.limited import RateLimitedWarning
from nemeton.inject import Injector
from nemeton.json import Json
from nemeton.plugins import json_type, type_names
from nemeton.spi.emitter import Emitter, Event

log = logging.getLogger(__name__)

_making: ContextVar[tuple[str, ...]] = ContextVar("emitters in the making", default=())


@frozen
class ComposingEmitterConfig:
    """Which emitters get every event."""

    emitters: list[str] = field(factory=list)


@frozen
class SwitchingEmitterConfig:
    """Which emitters get the events of a feed (``{"alerts": ["http"]}``), and which get all others."""

    emitters: dict[str, list[str]] = field(factory=dict)
    default_emitters: list[str] = field(factory=list)


class EmitterGroup(Emitter):
    """Holds emitters by name, each once, started and closed together. A failing one keeps no other from its events."""

    property: str
    """Where the names stand, for messages."""

    def __init__(self, names: Iterable[str], injector: Injector, json: Json, clock: Clock) -> None:
        """Raises `DruidException` for a name that nobody registered, and for a group that would hold itself."""
        self._members = _make_members(self, names, injector, json)
        self._failed = RateLimitedWarning(log, clock)

    def start(self) -> None:
        """Start each; one that cannot start keeps the process from starting, as it would alone."""
        for member in self._members.values():
            member.start()

    def flush(self) -> None:
        """Flush each."""
        self._each(self._members, lambda member: member.flush())

    def close(self) -> None:
        """Close each."""
        self._each(self._members, lambda member: member.close())

    def http_emitters(self) -> Iterator[tuple[Mapping[str, str], Any]]:
        """Those of the members that post events; for the monitor of emitters."""
        for member in self._members.values():
            found = getattr(member, "http_emitters", None)
            if found is not None:
                yield from found()

    def _each(self, names: Iterable[str], action: Callable[[Emitter], None]) -> None:
        for name in names:
            try:
                action(self._members[name])
            except Exception as failure:  # noqa: BLE001 - the others shall have their events
                self._failed.warn("Emitter [%s] failed: %r", name, failure)


@json_type("composing")
class ComposingEmitter(EmitterGroup):
    """Hands every event to all emitters that ``druid.emitter.composing.emitters`` names."""

    property = "druid.emitter.composing.emitters"

    def __init__(self, config: ComposingEmitterConfig, injector: Injector, json: Json, clock: Clock) -> None:
        super().__init__(config.emitters, injector, json, clock)

    def emit(self, event: Event) -> None:
        """To each."""
        self._each(self._members, lambda member: member.emit(event))


@json_type("switching")
class SwitchingEmitter(EmitterGroup):
    """Hands an event to the emitters of its feed, and to the default ones when its feed has none."""

    property = "druid.emitter.switching.emitters"

    def __init__(self, config: SwitchingEmitterConfig, injector: Injector, json: Json, clock: Clock) -> None:
        self._by_feed: Mapping[str, Sequence[str]] = config.emitters
        self._default = config.default_emitters
        named = [name for names in (*config.emitters.values(), config.default_emitters) for name in names]
        super().__init__(named, injector, json, clock)

    def emit(self, event: Event) -> None:
        """To those of its feed."""
        self._each(self._by_feed.get(event.feed, self._default), lambda member: member.emit(event))


def _make_members(group: EmitterGroup, names: Iterable[str], injector: Injector, json: Json) -> dict[str, Emitter]:
    own = type_names(type(group))[0]
    outer = (*_making.get(), own)
    token = _making.set(outer)
    try:
        members: dict[str, Emitter] = {}
        for name in names:
            if name in outer:
                raise invalid_input(f"{group.property}: [{name}] would hold itself")
            if name not in members:
                members[name] = injector.create(json.registry.get(Emitter, name))  # type: ignore[type-abstract]
        return members
    finally:
        _making.reset(token)
