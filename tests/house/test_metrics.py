"""docs/metrics.md tells of every metric that the code emits, and of no other; its examples work."""

from __future__ import annotations

import ast
import fnmatch
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.house import metrics_page
from tests.unit.emitter.receiver import Receiver

from nemeton.common.clock import Clock, SystemClock
from nemeton.config import JsonConfigurator, Properties
from nemeton.config.unknown import sort_unread
from nemeton.emitter import ServiceEmitter
from nemeton.emitter.module import EmitterModule
from nemeton.emitter.monitors.names import MEANINGLESS
from nemeton.inject import Binder, Injector
from nemeton.json import Json
from nemeton.lifecycle import Lifecycle
from nemeton.model import DruidNode
from nemeton.plugins import load_extensions
from nemeton.plugins.markers import type_names
from nemeton.server.builtin import BUILTIN_EXTENSIONS
from nemeton.server.peon import peon_modules
from nemeton.server.roles import ROLES
from nemeton.server.validation import implemented_properties
from nemeton.spi.monitors import Monitor

ROOT = Path(__file__).parents[2]
METRIC = re.compile(r"[a-z][A-Za-z]*(/[A-Za-z0-9*]+)+")
#: Texts that look like metrics, in modules that emit.
OTHERS = re.compile(r"druid/.*|application/.*")
COLLECTOR = "http://collector.example.org:8080"


@pytest.fixture(scope="module")
def extensions():
    return load_extensions({"druid.extensions.loadList": "[]"}, BUILTIN_EXTENSIONS)


# ---- metrics


def emitting_modules() -> Iterator[tuple[Path, ast.Module]]:
    for folder in (ROOT / "core" / "nemeton", *ROOT.glob("extensions/*/src"), *ROOT.glob("contrib/*/src")):
        for file in folder.rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            if ".emit_metric(" in text and "testkit" not in file.parts:
                yield file, ast.parse(text)


def metrics_in(tree: ast.AST) -> set[str]:
    """What looks like a metric in a module; ``*`` stands for what is put in when it runs."""
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            text = node.value
        else:
            continue
        if METRIC.fullmatch(text) and not OTHERS.fullmatch(text):
            found.add(text)
    return found


@pytest.fixture(scope="module")
def emitted() -> dict[Path, set[str]]:
    return {file: metrics_in(tree) for file, tree in emitting_modules()}


def test_metrics_are_found_in_code():
    code = 'x.emit_metric(f"a/{x}/c", 1)\nx.emit_metric("d/e", 2)\nx.emit_metric(name, 3)\np("/f/g", "h", "i/j k")'
    assert metrics_in(ast.parse(code)) == {"a/*/c", "d/e"}


def test_what_is_emitted_stands_on_the_page(emitted):
    page = metrics_page.documented()
    for file, names in emitted.items():
        missing = [name for name in names if not fnmatch.filter(page, name)]
        assert not missing, f"docs/metrics.md does not tell of {missing}, which {file.name} emits"


def test_what_stands_on_the_page_is_emitted(emitted):
    patterns = set().union(*emitted.values())
    for name in metrics_page.documented():
        assert any(fnmatch.fnmatchcase(name, each) for each in patterns), f"nothing emits {name} of docs/metrics.md"


# ---- monitors


def bound_monitors() -> dict[str, set[type[Monitor]]]:
    """Those that run unasked, by the role."""
    modules = {role.name: role.modules() for role in ROLES.values()} | {"peon": peon_modules()}
    found = {}
    for role, each in modules.items():
        binder = Binder()
        for module in each:
            binder.install(module)
        members = (binding.target for key, binding in binder.elements.set_members if key.type is Monitor)
        found[role] = {cls for cls in members if isinstance(cls, type) and role not in cls.not_in}
    return found


def roles_of(monitor: type[Monitor]) -> str:
    if monitor.not_in:
        return "all but " + ", ".join(sorted(monitor.not_in))
    return "all" if monitor.roles is None else ", ".join(sorted(monitor.roles))


def test_each_monitor_has_a_section_with_its_names_and_roles(extensions):
    titled = {section.names: section for section in metrics_page.sections() if section.names}
    registered: dict[type[Monitor], set[str]] = {}
    for name, entry in extensions.registry.entries(Monitor).items():
        registered.setdefault(entry.load(), set()).add(name)
    for monitor, names in registered.items():
        section = next((each for each in titled.values() if set(each.names) == names), None)
        assert section is not None, f"docs/metrics.md has no section for {names}"
        assert section.names[0] == type_names(monitor)[0]
        assert section.roles == roles_of(monitor), section.title
    bound = {type_names(cls)[0] for each in bound_monitors().values() for cls in each}
    assert {names[0] for names in titled} == bound | {type_names(monitor)[0] for monitor in registered}


def test_those_that_always_run_are_said_to_with_the_roles_that_have_them():
    text = metrics_page.PAGE.read_text(encoding="utf-8")
    always = text.split("## What always runs")[1].split("\n## ")[0]
    by_role = bound_monitors()
    for monitor in set().union(*by_role.values()):
        name = type_names(monitor)[0]
        assert f"### `{name}`" in always
        section = next(each for each in metrics_page.sections() if each.names[:1] == (name,))
        having = {role for role, monitors in by_role.items() if monitor in monitors}
        if section.roles.startswith("all"):
            having |= set(monitor.not_in)
            assert having >= set(ROLES)
        else:
            assert section.roles == ", ".join(sorted(having))


def test_a_monitors_metrics_stand_in_its_section(extensions, emitted):
    monitors = {extensions.registry.get(Monitor, name) for name in extensions.registry.names(Monitor)}
    for section in metrics_page.sections():
        monitor = next((each for each in monitors if type_names(each)[0] in section.names), None)
        if monitor is not None:
            names = emitted[Path(inspect.getfile(monitor))]
            strange = [name for name in section.metrics if not any(fnmatch.fnmatchcase(name, each) for each in names)]
            assert not strange, f"{section.title} does not emit {strange}"


def test_the_monitors_that_are_left_out_are_listed():
    text = metrics_page.PAGE.read_text(encoding="utf-8")
    listed = text.split("accepted and left out")[1].split(".\n\n")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == MEANINGLESS


# ---- the examples


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


#: The emitter, the feeds that the receiver gets at which path, and those that the log gets.
OUTCOMES = {
    "logging": ({}, {"metrics", "alerts"}),
    "http": ({"/druid": {"metrics", "alerts"}}, set()),
    "composing": ({"/druid": {"metrics", "alerts"}}, {"metrics", "alerts"}),
    "switching": ({"/druid": {"metrics"}}, {"alerts"}),
    "parametrized": ({"/metrics": {"metrics"}, "/alerts": {"alerts"}}, set()),
}


def start_emitter(properties, extensions):
    converter = Json(extensions.registry)
    lifecycle = Lifecycle("test")
    injector = Injector(
        [EmitterModule()],
        lifecycle=lifecycle,
        configurator=JsonConfigurator(Properties(properties), converter),
        given={Clock: SystemClock(), Json: converter, DruidNode: DruidNode("druid/overlord", "h", 8090)},
    )
    lifecycle.start()
    return injector.get(ServiceEmitter), lifecycle


@pytest.mark.parametrize("example", metrics_page.examples(), ids=lambda example: example["druid.emitter"])
def test_an_example_does_what_the_page_says(example, receiver, extensions, monkeypatch, caplog):
    assert not sort_unread(Properties(example), implemented_properties(extensions)).problems
    caplog.set_level("INFO", logger="nemeton.emitter.LoggingEmitter")
    monkeypatch.setenv("COLLECTOR_LOGIN", "me:secret")
    properties = {name: value.replace(COLLECTOR, receiver.url) for name, value in example.items()}
    emitter, lifecycle = start_emitter(properties, extensions)
    emitter.emit_metric("a/b", 1)
    emitter.alert("help")
    lifecycle.stop()  # sends what is left
    posted: dict[str, set[str]] = {}
    for _, path, headers, body in receiver.requests:
        posted.setdefault(path, set()).update(event["feed"] for event in json.loads(body))
        assert ("Authorization" in headers) == ("druid.emitter.http.basicAuthentication" in example)
    logged = {
        json.loads(record.getMessage())["feed"]
        for record in caplog.records
        if record.name == "nemeton.emitter.LoggingEmitter"
    }
    assert (posted, logged) == OUTCOMES[example["druid.emitter"]]


def test_each_kind_of_emitter_is_named_and_has_an_example(extensions):
    from nemeton.spi.emitter import Emitter

    text = metrics_page.PAGE.read_text(encoding="utf-8")
    table = text.split("## Choose an emitter")[1].split("```")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == {
        *extensions.registry.names(Emitter),
        "prometheus",
    }
    assert {each["druid.emitter"] for each in metrics_page.examples()} == set(OUTCOMES)
