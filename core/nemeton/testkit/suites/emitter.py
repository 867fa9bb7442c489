"""What every emitter owes the service that hands it events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nemeton.plugins import type_names
from nemeton.spi.emitter import AlertEvent, Emitter, Event, MetricEvent, SegmentMetadataEvent

_NOON = 1_704_110_400_000
_FROM = ("druid/overlord", "localhost:8090")


def metric(number: int = 1, **dims: Any) -> MetricEvent:
    """A metric with that value."""
    return MetricEvent(_NOON, *_FROM, "testkit/events", number, dims, "1.0")


class EmitterSuite:
    """Subclass it, and override the fixtures. The emitter passes on all feeds; one that does not overrides `feeds`."""

    feeds: tuple[str, ...] = ("metrics", "alerts", "segment_metadata")

    @pytest.fixture
    def emitter(self) -> Emitter:
        """The emitter that is tested; nobody has started it."""
        raise NotImplementedError("override the fixture `emitter`")

    @pytest.fixture
    def received(self) -> Callable[[], list[dict[str, Any]]]:
        """A function that gives the events that have arrived, as JSON objects; asked when the emitter is closed."""
        raise NotImplementedError("override the fixture `received`")

    @pytest.fixture
    def send(self, emitter: Emitter) -> Callable[..., None]:
        """A function that starts the emitter, hands it events, and closes it, as the service does."""

        def send(*events: Event) -> None:
            emitter.start()
            for event in events:
                emitter.emit(event)
            emitter.flush()
            emitter.close()

        return send

    def test_it_can_be_named_in_properties(self, emitter: Emitter) -> None:
        """By its type name."""
        assert type_names(type(emitter)), "the class needs a type name: @json_type"

    def test_events_arrive_whole_and_in_order(
        self, send: Callable[..., None], received: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """Before `close` has returned."""
        events = [metric(number, dataSource="wiki", list=["a", "b"], tags={"team": "x"}) for number in range(20)]
        send(*events)
        assert received() == [event.to_json() for event in events]

    def test_texts_stay_as_they_are(
        self, send: Callable[..., None], received: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """Quotes, line ends, other scripts."""
        event = metric(dataSource='a "b"\n\\ é 日本')
        send(event)
        assert received() == [event.to_json()]

    def test_each_feed_arrives_or_is_passed_over(
        self, send: Callable[..., None], received: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """An event that it does not take does no harm to the others."""
        alert = AlertEvent(_NOON, *_FROM, "It broke", data={"why": "worn"})
        segment = SegmentMetadataEvent(_NOON, *_FROM, "wiki", _NOON, _NOON + 1, "v1")
        send(alert, segment, metric())
        wanted = [event.to_json() for event in (alert, segment, metric()) if event.feed in self.feeds]
        assert received() == wanted

    def test_without_events_nothing_arrives(
        self, send: Callable[..., None], received: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """Starting and closing is enough of a life."""
        send()
        assert received() == []
