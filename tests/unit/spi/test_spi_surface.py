from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import nemeton.spi as spi
from nemeton.plugins import Deprecation, NemetonDeprecationWarning, hook_info, stability_of
from nemeton.plugins.loader import hook_specs
from nemeton.spi import deprecations, hookspecs
from nemeton.spi.reference import extension_points

SPECS = hook_specs(hookspecs)
HEAVY = ("numpy", "pyarrow", "polars", "numba", "sqlalchemy", "aiohttp", "sqlglot", "kazoo", "msgspec")


@pytest.mark.parametrize("name", sorted(spi._LAZY))
def test_every_promised_name_is_there(name):
    assert getattr(spi, name) is not None
    assert name in dir(spi)
    assert name in spi.__all__


def test_the_lazy_table_and_the_imports_for_type_checkers_agree():
    tree = ast.parse(Path(spi.__file__).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {node.module: tuple(sorted(a.name for a in node.names)) for node in guarded.body}
    assert typed == {module: tuple(sorted(names)) for module, names in spi._MODULES.items()}


def test_importing_the_spi_is_light():
    code = f"import sys, nemeton.spi; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_renamed_name_still_works_with_a_warning(monkeypatch):
    old = Deprecation("nemeton.spi.TaskRunnerOld", "TaskRunner", warns_in="1.0", errors_in="2.0", removed_in="3.0")
    monkeypatch.setitem(deprecations.RENAMED, "TaskRunnerOld", ("TaskRunner", old))
    with pytest.warns(NemetonDeprecationWarning, match="use TaskRunner"):
        assert spi.TaskRunnerOld is spi.TaskRunner


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        spi.Nothing  # noqa: B018


@pytest.mark.parametrize("hook", sorted(SPECS))
def test_every_hook_is_documented(hook):
    text = inspect.getdoc(SPECS[hook])
    assert text is not None
    first = text.splitlines()[0]
    assert first.endswith(".")
    assert "Used by: " in text, "say which roles and threads use what the hook returns"
    for argument in inspect.signature(SPECS[hook]).parameters:
        assert f"`{argument}`" in text
    example = textwrap.dedent(text.partition("Example::")[2])
    functions = [node.name for node in ast.walk(ast.parse(example)) if isinstance(node, ast.FunctionDef)]
    assert hook in functions, "show an implementation"


@pytest.mark.parametrize("hook", sorted(name for name, spec in SPECS.items() if hook_info(spec).kind == "types"))
def test_every_type_hook_has_its_base_class_which_the_text_names(hook):
    base = extension_points()[hook]
    module, _, name = base.rpartition(".")
    assert hasattr(importlib.import_module(module), name)
    text = inspect.getdoc(SPECS[hook]) or ""
    assert f".{name}`" in text
    assert f"`nemeton.spi.{name}`" not in text or hasattr(spi, name), "the text promises a name that nemeton.spi lacks"


@pytest.mark.parametrize("hook", sorted(name for name, spec in SPECS.items() if hook_info(spec).stability == "stable"))
def test_what_is_stable_rests_on_what_is_stable(hook):
    if hook in extension_points():
        module, _, name = extension_points()[hook].rpartition(".")
        assert stability_of(getattr(importlib.import_module(module), name)) == "stable"


def test_no_extension_point_lacks_its_hook():
    assert set(extension_points()) <= set(SPECS)
