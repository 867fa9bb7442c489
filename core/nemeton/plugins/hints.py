"""Says which installed extension, not loaded, would provide a type: read from its source, without running it."""

from __future__ import annotations

import ast
import importlib.machinery
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from nemeton.plugins.installed import InstalledExtension

log = logging.getLogger(__name__)


class ProviderHints:
    """Looks for ``NEMETON_PROVIDES``, ``@json_type`` and ``lazy()`` in extensions that are not loaded.

    An extension that the loadList leaves out must do nothing, so that it is parsed and never imported.
    """

    def __init__(self, installed: Mapping[str, InstalledExtension], is_loaded: Callable[[str], bool]) -> None:
        """``is_loaded`` tells the extensions that need no hint."""
        self._installed = installed
        self._is_loaded = is_loaded

    def __call__(self, hook: str, type_name: str) -> str | None:
        """A sentence naming the extension; None when none is known to provide the type."""
        for name, extension in self._installed.items():
            if not self._is_loaded(name) and type_name in provided_names(extension, hook):
                return (
                    f"The installed extension [{name}] ({extension.distribution} {extension.version}) provides it "
                    "and is not loaded: add it to druid.extensions.loadList"
                )
        return None


def provided_names(extension: InstalledExtension, hook: str) -> set[str]:
    """The type names that the extension's source says it gives to a hook."""
    path = _source_path(extension.value.partition(":")[0])
    if path is None:
        return set()
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as e:
        log.debug("cannot read %s for hints: %s", path, e)
        return set()
    declared = _declared(tree)
    return set(declared.get(hook, ())) if declared is not None else _guessed(tree, hook)


def _source_path(module: str) -> Path | None:
    """Where a module's source lies, found without importing its packages."""
    search: list[str] | None = sys.path
    spec = None
    for depth in range(len(parts := module.split("."))):
        spec = importlib.machinery.PathFinder.find_spec(".".join(parts[: depth + 1]), search)
        if spec is None:
            return None
        search = list(spec.submodule_search_locations or ())
    return Path(spec.origin) if spec is not None and spec.origin and spec.origin.endswith(".py") else None


def _declared(tree: ast.Module) -> Mapping[str, list[str]] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "NEMETON_PROVIDES" for t in node.targets
        ):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                return None
            return value if isinstance(value, dict) else None
    return None


def _guessed(tree: ast.Module, hook: str) -> set[str]:
    """Names in ``lazy(...)`` calls of the hook's function, and of the ``@json_type`` classes that it mentions."""
    classes = {node.name: _json_type_names(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == hook]
    names: set[str] = set()
    for node in (inner for function in functions for inner in ast.walk(function)):
        if isinstance(node, ast.Name):
            names |= classes.get(node.id, set())
        elif isinstance(node, ast.Call) and _called(node) == "lazy":
            names |= _strings(node.args[:1] + node.args[2:])
    return names


def _json_type_names(node: ast.ClassDef) -> set[str]:
    calls = (d for d in node.decorator_list if isinstance(d, ast.Call) and _called(d) == "json_type")
    return {name for call in calls for name in _strings(call.args)}


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _strings(nodes: list[ast.expr]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
