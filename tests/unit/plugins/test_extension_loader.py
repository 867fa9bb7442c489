from __future__ import annotations

import json
import logging
import sys

import pytest
import shape_framework as framework
from shape_framework import Colour, Shape

from nemeton.json import Json, JsonError
from nemeton.plugins import ExtensionError, LazyImportError, UnknownTypeError, load_extensions


def load(load_list: list[str] | None = None, *, builtins: tuple[str, ...] = (), **kwargs):
    properties = {} if load_list is None else {"druid.extensions.loadList": json.dumps(load_list)}
    return load_extensions(properties, builtins, hookspecs=framework, **kwargs)


def failure(load_list: list[str]) -> str:
    with pytest.raises(ExtensionError) as caught:
        load(load_list)
    return str(caught.value)


def states(extensions) -> dict[str, str]:
    return {status.name: status.state for status in extensions.statuses}


# ---- what is loaded


def test_without_a_load_list_every_installed_extension_is_loaded(packages):
    packages.add_shape("round", "circle")
    packages.add_shape("edgy", "square")
    extensions = load()
    assert states(extensions) == {"edgy": "loaded", "round": "loaded"}
    assert extensions.registry.names(Shape) == ["circle", "square"]


def test_a_load_list_loads_exactly_those_in_its_order(packages):
    packages.add_shape("round", "circle")
    module = packages.add_shape("edgy", "square")
    extensions = load(["round"])
    assert states(extensions) == {"round": "loaded", "edgy": "not loaded"}
    assert module not in sys.modules, "an extension that the list does not name does nothing"


def test_an_empty_load_list_loads_none(packages):
    packages.add_shape("round", "circle")
    assert states(load([])) == {"round": "not loaded"}


@pytest.mark.parametrize("value", ["round", '{"a": 1}', "[1]", ""])
def test_a_load_list_that_is_no_list_of_names_is_refused(value):
    with pytest.raises(ExtensionError, match=r"druid\.extensions\.loadList.*JSON list of names"):
        load_extensions({"druid.extensions.loadList": value}, (), hookspecs=framework)


def test_the_status_says_what_an_extension_brought(packages):
    packages.add_shape("round", "circle")
    (status,) = load().statuses
    assert (status.distribution, status.version, status.hooks) == ("acme-round", "1.2.3", ("shapes",))
    assert status.registered == {"shapes": ["circle"]}
    assert not status.is_core


def test_core_parts_come_through_the_same_hooks(packages):
    module = packages.add_shape("unused", "circle", module="corepart")
    extensions = load([], builtins=(module,))
    assert extensions.registry.entry(Shape, "circle").source == "core"
    assert extensions.statuses[0].is_core


# ---- each way to fail: one message with the extension, the cause and the mend


def test_not_installed(packages):
    packages.add_shape("round", "circle")
    message = failure(["rond"])
    assert message.startswith("Extension [rond]: ")
    assert "not installed" in message
    assert "installed are: round" in message


def test_all_that_are_not_installed_are_told_at_once(packages):
    assert (
        "Extension [a]: druid.extensions.loadList names it, and it is not installed, and neither is b, c."
        in failure(["a", "b", "c"])
    )


def test_fails_to_import_for_want_of_a_module(packages):
    packages.add("round", "import acme_missing_dependency")
    message = failure(["round"])
    assert "Extension [round]" in message
    assert "acme-round 1.2.3" in message
    assert "Install the module [acme_missing_dependency]" in message


@pytest.mark.parametrize("code", ["1 / 0", "def f(:", "raise SystemExit(3)", "raise RuntimeError"])
def test_fails_to_import(packages, code):
    packages.add("round", code)
    message = failure(["round"])
    assert "Extension [round]: 'acme_round' of acme-round 1.2.3 fails to import" in message
    assert "leave it out of druid.extensions.loadList" in message


def test_the_line_that_failed_is_told(packages):
    packages.add("round", "import json\n\ndef f():\n    json.loads(1)\n\nf()")
    assert "(acme_round.py, line 7)" in failure(["round"])


def test_an_unfinished_class(packages):
    head = "import abc\n@json_type('circle')\nclass Circle(Shape, abc.ABC):\n"
    packages.add(
        "round", f"{head}    @abc.abstractmethod\n    def area(self): ...\n@hookimpl\ndef shapes(): return [Circle]"
    )
    assert "which lacks area. Implement area in Circle." in failure(["round"])


def test_the_entry_point_names_nothing(packages):
    packages.add("round", "")
    info = packages.root / "acme_round-1.2.3.dist-info" / "entry_points.txt"
    info.write_text("[nemeton.extensions]\nround = acme_round:extension\n")
    assert "has no attribute 'extension'" in failure(["round"])


def test_needs_a_newer_api(packages):
    packages.add_shape("round", "circle", 'NEMETON_API = ">=2.0"')
    message = failure(["round"])
    assert "needs the extension API >=2.0, and this nemeton has 1.4" in message
    assert "Install a version" in message


@pytest.mark.parametrize("api", ['"banana"', "2", '">= one"'])
def test_an_api_version_that_cannot_be_parsed_is_an_error(packages, api):
    packages.add_shape("round", "circle", f"NEMETON_API = {api}")
    assert "NEMETON_API" in failure(["round"])


def test_an_api_that_fits(packages):
    packages.add_shape("round", "circle", 'NEMETON_API = ">=1.0,<2"')
    assert states(load(["round"])) == {"round": "loaded"}


def test_unknown_hook_with_the_nearest_match(packages):
    packages.add("round", "@hookimpl\ndef shape(): return []")
    message = failure(["round"])
    assert "implements the hook shape, which nemeton does not have (did you mean shapes?)" in message
    assert "Rename or remove shape in acme_round" in message


def test_a_hook_with_arguments_that_its_spec_does_not_have(packages):
    packages.add("round", "@hookimpl\ndef shapes(size): return []")
    message = failure(["round"])
    assert "size" in message
    assert "arguments" in message


def test_no_hook_at_all(packages):
    packages.add("round", "def shapes(): return []")
    assert "implements no hook" in failure(["round"])


def test_a_name_that_another_extension_holds(packages):
    packages.add_shape("round", "circle")
    packages.add_shape("rounder", "circle")
    message = failure(["round", "rounder"])
    assert "[circle] with hook shapes" in message
    assert "round (acme-round)" in message
    assert "rounder (acme-rounder)" in message
    assert "rename the type" in message


def test_a_name_that_core_holds(packages):
    core = packages.add_shape("unused", "circle", module="corepart")
    packages.add_shape("round", "circle")
    with pytest.raises(ExtensionError, match="which nemeton itself holds"):
        load(["round"], builtins=(core,))


def test_two_distributions_with_one_extension_name(packages):
    packages.add_shape("round", "circle", distribution="acme-round")
    packages.add_shape("round", "ball", distribution="zeta-round")
    message = failure(["round"])
    assert "acme-round" in message
    assert "zeta-round" in message
    assert "Uninstall one" in message


def test_a_name_twice_in_one_extension(packages):
    packages.add("round", '@hookimpl\ndef shapes(): return [lazy("circle", "a:A"), lazy("circle", "b:B")]')
    assert "registers the type name [circle] with hook shapes twice" in failure(["round"])


def test_requires_an_extension_that_is_not_installed(packages):
    packages.add_shape("round", "circle", 'NEMETON_REQUIRES = ("geometry",)')
    message = failure(["round"])
    assert "requires the extension [geometry], which is not installed" in message


def test_requires_an_extension_that_the_list_does_not_name(packages):
    packages.add_shape("geometry", "point")
    packages.add_shape("round", "circle", 'NEMETON_REQUIRES = ("geometry",)')
    assert 'Add "geometry" to druid.extensions.loadList' in failure(["round"])


def test_requires_cycle(packages):
    packages.add_shape("a", "circle", 'NEMETON_REQUIRES = ("b",)')
    packages.add_shape("b", "square", 'NEMETON_REQUIRES = ("a",)')
    assert "in a cycle: a -> b -> a" in failure(["a", "b"])


def test_requires_is_no_sequence_of_names(packages):
    packages.add_shape("a", "circle", 'NEMETON_REQUIRES = "geometry"')
    assert "NEMETON_REQUIRES" in failure(["a"])


def test_required_extensions_are_loaded_first(packages):
    packages.add_shape("a", "circle", 'NEMETON_REQUIRES = ("z",)')
    packages.add_shape("z", "square")
    assert [status.name for status in load(["a", "z"]).statuses] == ["z", "a"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return [42]", "42, which is not a class"),
        ("return [str]", "is not a subclass of any extension point"),
        ("return [Shape]", "is the abstract base of shape types itself"),
        ("return [type('Nameless', (Shape,), {})]", "which has no type name"),
        ("return 'circle'", "returned str 'circle', and a list is wanted"),
        ("raise KeyError('x')", "its hook shapes fails: KeyError: 'x'"),
    ],
)
def test_a_hook_that_returns_the_wrong_thing(packages, body, told):
    packages.add("round", f"@hookimpl\ndef shapes():\n    {body}")
    assert told in failure(["round"])


def test_a_class_of_another_hook(packages):
    code = """
    from shape_framework import Colour
    @json_type("red")
    class Red(Colour): pass
    @hookimpl
    def shapes(): return [Red]
    """
    packages.add("round", code)
    assert "belongs to hook colours, not to shapes" in failure(["round"])


def test_a_module_hook_that_returns_no_module(packages):
    packages.add("round", "@hookimpl\ndef druid_modules(): return [object()]")
    assert "which is no Module" in failure(["round"])


# ---- discovered without a list: a broken one is left out


def test_a_broken_discovered_extension_is_left_out_logged_and_shown(packages, caplog):
    packages.add("broken", "1 / 0")
    packages.add_shape("round", "circle")
    with caplog.at_level(logging.ERROR):
        extensions = load()
    assert states(extensions) == {"broken": "failed", "round": "loaded"}
    assert "division by zero" in str(extensions.statuses[0].error)
    assert "Left out: Extension [broken]" in caplog.text


def test_what_hangs_on_a_broken_one_is_left_out_too(packages):
    packages.add("broken", "1 / 0")
    packages.add_shape("round", "circle", 'NEMETON_REQUIRES = ("broken",)')
    extensions = load()
    assert states(extensions) == {"broken": "failed", "round": "failed"}
    assert extensions.registry.names(Shape) == []


def test_a_cycle_among_discovered_ones_leaves_the_others(packages):
    packages.add_shape("a", "circle", 'NEMETON_REQUIRES = ("b",)')
    packages.add_shape("b", "square", 'NEMETON_REQUIRES = ("a",)')
    packages.add_shape("c", "dot")
    assert states(load()) == {"a": "failed", "b": "failed", "c": "loaded"}


def test_a_failing_extension_leaves_nothing_behind(packages):
    code = """
    @json_type("circle")
    class Circle(Shape): pass
    @hookimpl
    def shapes(): return [Circle]
    @hookimpl
    def druid_modules(): raise RuntimeError("no")
    """
    packages.add("half", code)
    extensions = load()
    assert extensions.registry.names(Shape) == []
    assert extensions.collect("greetings", role="x") == []


def test_strict_makes_it_a_stop(packages, monkeypatch):
    packages.add("broken", "1 / 0")
    monkeypatch.setenv("NEMETON_STRICT_EXTENSIONS", "1")
    with pytest.raises(ExtensionError, match="broken"):
        load()


# ---- hooks at work


def test_modules_count_in_their_roles(packages):
    code = """
    class Everywhere:
        def configure(self, binder): pass
    class Overlords(Everywhere):
        roles = frozenset({"overlord"})
    @hookimpl
    def druid_modules(): return [Everywhere, Overlords()]
    """
    packages.add("round", code)
    extensions = load()
    assert [type(m).__name__ for m in extensions.modules("broker")] == ["Everywhere"]
    assert [type(m).__name__ for m in extensions.modules("overlord")] == ["Everywhere", "Overlords"]


def test_a_hook_limited_to_roles(packages):
    code = '@hookimpl\ndef colours(): return [lazy("red", "nowhere:Red")]'
    packages.add("reds", code)
    assert load(roles=("broker",)).registry.names(Colour) == []
    assert load(roles=("broker", "painter")).registry.names(Colour) == ["red"]
    assert load().registry.names(Colour) == ["red"]


def test_collect_chains_what_extensions_return_in_load_order(packages):
    packages.add("b", "@hookimpl\ndef greetings(role): return [f'b {role}']")
    packages.add("a", "@hookimpl\ndef greetings(): return ['a']")
    assert load(["b", "a"]).collect("greetings", role="broker") == ["b broker", "a"]


def test_a_hook_that_fails_when_called_names_its_extension(packages):
    packages.add("a", "@hookimpl\ndef greetings(role): raise ValueError('tired')")
    with pytest.raises(ExtensionError, match=r"Extension \[a\]: its hook greetings fails: ValueError: tired"):
        load().collect("greetings", role="x")


def test_tracing_shows_names_and_durations_and_no_values(packages, monkeypatch, caplog):
    packages.add("a", "@hookimpl\ndef greetings(role): return []")
    monkeypatch.setenv("NEMETON_TRACE_EXTENSIONS", "1")
    with caplog.at_level(logging.INFO, "nemeton.plugins.trace"):
        load().collect("greetings", role="s3cret")
    assert "extension [a]: import returned in" in caplog.text
    assert "extension [a]: greetings returned in" in caplog.text
    assert " ms" in caplog.text
    assert "s3cret" not in caplog.text


# ---- lazy classes and unknown names


def test_lazy_classes_are_imported_on_first_use(packages):
    packages.add("late", "@json_type('circle')\nclass Circle(Shape): pass", module="late_shapes")
    (packages.root / "acme_late-1.2.3.dist-info" / "entry_points.txt").unlink()
    packages.add("round", '@hookimpl\ndef shapes(): return [lazy("circle", "late_shapes:Circle", "ring")]')
    extensions = load()
    assert "late_shapes" not in sys.modules
    assert extensions.registry.get(Shape, "ring").__name__ == "Circle"
    assert extensions.registry.names(Shape) == ["circle"]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("acme_nowhere:Circle", "No module named 'acme_nowhere'"),
        ("acme_round:Nothing", "has no 'Nothing'"),
        ("acme_round:hookimpl", "is not a class"),
    ],
)
def test_a_lazy_class_that_cannot_be_had(packages, target, told):
    packages.add("round", f'@hookimpl\ndef shapes(): return [lazy("circle", "{target}")]')
    with pytest.raises(LazyImportError, match=told):
        load().registry.get(Shape, "circle")


def test_an_unknown_name_lists_the_known_ones(packages):
    packages.add_shape("round", "circle")
    with pytest.raises(UnknownTypeError, match=r"Unknown shape type \[oval\]; known types are \[circle\]$"):
        load().registry.get(Shape, "oval")


@pytest.mark.parametrize(
    "code",
    [
        '@json_type("oval")\nclass Oval(Shape): pass\n@hookimpl\ndef shapes(): return [Oval]',
        '@hookimpl\ndef shapes(): return [lazy("ellipse", "x:Y", "oval")]',
        'NEMETON_PROVIDES = {"shapes": ["oval"]}',
    ],
)
def test_an_unknown_name_that_an_unloaded_extension_provides_names_it(packages, code):
    module = packages.add("ovals", code)
    with pytest.raises(UnknownTypeError, match=r"installed extension \[ovals\] \(acme-ovals 1\.2\.3\) provides it"):
        load([]).registry.get(Shape, "oval")
    assert module not in sys.modules


def test_a_module_within_a_package_is_found_without_importing_the_package(packages):
    packages.add("ovals", '@json_type("oval")\nclass Oval(Shape): pass\n@hookimpl\ndef shapes(): return [Oval]')
    package = packages.root / "acme_deep"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (packages.root / "acme_ovals.py").rename(package / "plugin.py")
    entry_points = packages.root / "acme_ovals-1.2.3.dist-info" / "entry_points.txt"
    entry_points.write_text("[nemeton.extensions]\novals = acme_deep.plugin\n")
    with pytest.raises(JsonError, match=r"\[\$\.type\]: Unknown shape type \[oval\].*extension \[ovals\]"):
        Json(load([]).registry).structure({"type": "oval"}, Shape)


def test_a_source_that_cannot_be_parsed_gives_no_hint(packages):
    packages.add("ovals", "def (:")
    with pytest.raises(UnknownTypeError) as caught:
        load([]).registry.get(Shape, "oval")
    assert caught.value.hint is None
