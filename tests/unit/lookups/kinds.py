"""A lookup manager with a Coordinator that is scripted, and a kind of lookup that loads when the test says so."""

from __future__ import annotations

import threading

from attrs import field, frozen

from nemeton.json import wire
from nemeton.plugins import hookimpl, json_type
from nemeton.query.lookups import MapLookup, illegal_state
from nemeton.spi.lookups import LookupExtractorFactory


@json_type("slow")
@frozen
class SlowLookupFactory(LookupExtractorFactory):
    """Has its map from the moment that the test opens the gate of its name; ``fail`` starts fail before one works."""

    name: str = ""
    fail: int = 0
    _failures: list[int] = field(factory=list, init=False, eq=False, metadata=wire(skip=True))
    closed: list[str] = field(factory=list, init=False, eq=False, metadata=wire(skip=True))

    gates = {}  # noqa: RUF012

    @property
    def gate(self):
        return self.gates.setdefault(self.name, threading.Event())

    def start(self, context):
        self._failures.append(1)
        if len(self._failures) <= self.fail:
            raise OSError("not yet")
        return True

    def close(self):
        self.closed.append("closed")

    @property
    def is_initialized(self):
        return self.gate.is_set()

    def await_initialization(self):
        if not self.gate.wait(20):
            raise TimeoutError

    def get(self):
        if not self.is_initialized:
            raise illegal_state("not loaded")
        return MapLookup({"name": self.name})


class SlowLookups:
    """The extension that brings it."""

    @hookimpl
    def lookups(self):
        return [SlowLookupFactory]


class FakeCoordinator:
    """Answers what `answers` says, in turn; the last one again and again. An exception is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def with_policy(self, policy):
        return self

    def fetch_lookups_for_tier(self, tier):
        self.asked.append(tier)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def a_map(version, **entries):
    return {"version": version, "lookupExtractorFactory": {"type": "map", "map": entries}}


def slow(version, name, **more):
    return {"version": version, "lookupExtractorFactory": {"type": "slow", "name": name, **more}}


def entries(manager, name):
    found = manager.get(name)
    return None if found is None else dict(found.as_map())
