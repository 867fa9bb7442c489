"""Emitters of emitters, as properties put them together."""

from __future__ import annotations

import json
import logging

import pytest
from tests.unit.emitter.receiver import Receiver

from nemeton.common.clock import Clock, SystemClock
from nemeton.common.errors import DruidException
from nemeton.config import ConfigurationError, JsonConfigurator, Properties
from nemeton.emitter import ServiceEmitter
from nemeton.emitter.http_emitter import HttpPostEmitter
from nemeton.emitter.module import EmitterModule
from nemeton.inject import Injector
from nemeton.json import Json
from nemeton.lifecycle import Lifecycle
from nemeton.model import DruidNode
from nemeton.plugins import json_type, load_extensions
from nemeton.spi.emitter import Emitter

CORE = ("nemeton.config.extension", "nemeton.emitter.extension")


class Noted(Emitter):
    events: list

    def __init__(self):
        type(self).events = []
        type(self).calls = ["made"]

    def start(self):
        self.calls.append("start")

    def emit(self, event):
        self.events.append(event.to_json())

    def flush(self):
        self.calls.append("flush")

    def close(self):
        self.calls.append("close")


@json_type("first")
class First(Noted):
    pass


@json_type("second")
class Second(Noted):
    pass


@json_type("broken")
class Broken(Noted):
    def emit(self, event):
        raise OSError("gone")

    def close(self):
        raise OSError("still gone")


@pytest.fixture
def registry():
    loaded = load_extensions({"druid.extensions.loadList": "[]"}, CORE).registry
    for cls in (First, Second, Broken):
        loaded.add("emitters", cls)
    return loaded


@pytest.fixture
def make(registry):
    def make(**properties):
        names = {f"druid.emitter{name}": value for name, value in properties.items()}
        converter = Json(registry)
        return Injector(
            [EmitterModule()],
            lifecycle=Lifecycle("test"),
            configurator=JsonConfigurator(Properties(names), converter),
            given={Clock: SystemClock(), Json: converter, DruidNode: DruidNode("druid/overlord", "h", 8090)},
        )

    return make


def emit(injector, *alerts, metrics=()):
    service = injector.get(ServiceEmitter)
    service.start()
    for name in metrics:
        service.emit_metric(name, 1)
    for text in alerts:
        service.alert(text)
    service.close()


def test_composing_hands_every_event_to_each(make):
    injector = make(**{"": "composing", ".composing.emitters": '["first", "second", "first"]'})
    emit(injector, "help", metrics=["a", "b"])
    assert [event.get("metric") for event in First.events] == ["a", "b", None]
    assert First.events == Second.events
    assert First.calls[:2] == ["made", "start"]  # once, although it is named twice
    assert First.calls[-2:] == ["flush", "close"]


def test_one_that_fails_keeps_nothing_from_the_others_and_is_told_of(make, caplog):
    injector = make(**{"": "composing", ".composing.emitters": '["broken", "second"]'})
    emit(injector, metrics=["a", "b"])
    assert [event["metric"] for event in Second.events] == ["a", "b"]
    assert Second.calls[-1] == "close"
    assert "Emitter [broken] failed: OSError('gone')" in caplog.text


def test_switching_goes_by_feed_and_else_by_default(make):
    switches = {"": "switching", ".switching.emitters": '{"alerts": ["second"]}'}
    emit(make(**switches, **{".switching.defaultEmitters": '["first"]'}), "help", metrics=["a"])
    assert [event["feed"] for event in First.events] == ["metrics"]
    assert [event["feed"] for event in Second.events] == ["alerts"]


def test_a_feed_that_nobody_takes_is_dropped_in_peace(make, caplog):
    emit(make(**{"": "switching", ".switching.emitters": '{"alerts": ["second"]}'}), metrics=["a"])
    assert Second.events == []
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_groups_may_hold_groups_but_not_themselves(make):
    nested = {"": "composing", ".composing.emitters": '["switching", "first"]'}
    emit(make(**nested, **{".switching.defaultEmitters": '["second"]'}), metrics=["a"])
    assert len(First.events) == len(Second.events) == 1
    for names in ('["composing"]', '["switching"]'):
        inner = {".switching.defaultEmitters": '["composing"]'}
        with pytest.raises(DruidException, match=r"\[composing\] would hold itself"):
            make(**{"": "composing", ".composing.emitters": names}, **inner)


def test_an_unknown_emitter_is_named(make):
    with pytest.raises(DruidException, match=r"Unknown emitter type \[statsd\]; known types are .*composing"):
        make(**{"": "composing", ".composing.emitters": '["statsd"]'})


def test_http_emitters_are_made_of_druids_properties(make):
    receiver = Receiver()
    injector = make(
        **{
            "": "composing",
            ".composing.emitters": '["http", "parametrized"]',
            ".http.recipientBaseUrl": f"{receiver.url}/all",
            ".http.flushCount": "1",
            ".http.batchingStrategy": "NEWLINES",
            ".http.basicAuthentication": '{"type": "default", "password": "admin:secret"}',
            ".parametrized.recipientBaseUrlPattern": f"{receiver.url}/{{feed}}",
            ".parametrized.httpEmitting.flushMillis": "1",
            ".parametrized.httpEmitting.contentEncoding": "GZIP",
        }
    )
    emit(injector, metrics=["a"])
    by_path = {path: (headers, body) for _, path, headers, body in receiver.requests}
    assert by_path["/all"][0]["Authorization"] == "Basic YWRtaW46c2VjcmV0"
    assert json.loads(by_path["/all"][1])["metric"] == "a"
    assert by_path["/metrics"][0]["Content-Encoding"] == "gzip"
    assert HttpPostEmitter in [type(each) for _, each in injector.get(Emitter).http_emitters()]
    receiver.close()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("http.flushCount", "0", "flush_count"),
        ("http.batchingStrategy", "LINES", "ARRAY"),
        ("http.contentEncoding", "zstd", "GZIP"),
        ("composing.emitters", "first", "emitters"),
    ],
)
def test_bad_properties_are_told_by_name(make, name, value, said):
    with pytest.raises(ConfigurationError, match=rf"druid\.emitter\.{name.split('.')[0]}.*{said}"):
        make(**{f".{name}": value})
