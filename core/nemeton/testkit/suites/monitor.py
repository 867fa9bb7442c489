"""What every monitor owes the scheduler that runs it."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from attrs import frozen

from nemeton.model import NodeRole
from nemeton.plugins import type_names
from nemeton.spi.monitors import Monitor

_NAME = re.compile(r"[A-Za-z]\w*(/\w+)*")
_DIMENSION = re.compile(r"[A-Za-z]\w*")


@frozen
class Measured:
    """One measurement; dimensions that were None are not among them."""

    name: str
    value: float
    dims: dict[str, Any]


class Measurements:
    """A `MetricSink` that keeps what it is given."""

    def __init__(self) -> None:
        self.all: list[Measured] = []

    def emit_metric(self, name: str, value: float, **dims: Any) -> None:
        """Keep it."""
        self.all.append(Measured(name, value, {key: each for key, each in dims.items() if each is not None}))

    def values(self, name: str) -> list[float]:
        """The values of a metric, in the order they came."""
        return [each.value for each in self.all if each.name == name]


class MonitorSuite:
    """Subclass it, and override the fixture `monitor`. It should have something to measure the second time."""

    @pytest.fixture
    def monitor(self) -> Monitor:
        """The monitor that is tested; nobody has started it."""
        raise NotImplementedError("override the fixture `monitor`")

    @pytest.fixture
    def measured(self, monitor: Monitor) -> Measurements:
        """What it says in two measurements, the way the scheduler calls it."""
        found = Measurements()
        monitor.start()
        monitor.monitor(found)
        monitor.monitor(found)
        monitor.stop()
        return found

    def test_it_can_be_named_in_properties(self, monitor: Monitor) -> None:
        """By its type name; its roles are some that there are."""
        assert type_names(type(monitor)), "the class needs a type name: @json_type"
        there_are = {role.json_name for role in NodeRole.built_in()}
        assert {*(monitor.roles or ()), *monitor.not_in} <= there_are

    def test_it_measures(self, measured: Measurements) -> None:
        """At the second measurement at the latest, when there are differences."""
        assert measured.all

    def test_values_are_finite_numbers(self, measured: Measurements) -> None:
        """Others are not emitted."""
        for each in measured.all:
            assert isinstance(each.value, int | float), each
            assert not isinstance(each.value, bool), each
            assert math.isfinite(each.value), each

    def test_names_are_shaped_as_druids(self, measured: Measurements) -> None:
        """Parts with slashes between them; dimensions are names of JSON."""
        for each in measured.all:
            assert _NAME.fullmatch(each.name), each
            assert all(map(_DIMENSION.fullmatch, each.dims)), each

    def test_dimensions_are_plain(self, measured: Measurements) -> None:
        """Texts, numbers, booleans or lists of texts: what is stored without a change."""
        for each in measured.all:
            for value in each.dims.values():
                plain = isinstance(value, str | int | float | bool)
                assert plain or (isinstance(value, list) and all(isinstance(item, str) for item in value)), each
