"""Loads extensions: each into a scratch pluggy manager, checked there, and only then committed.

Pluggy itself isolates no failure: one entry point that fails to import ends the loading of all, and a mistyped hook is
silent. Here each extension passes or fails alone, with one message that names it, the cause and the mend.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

import pluggy

from nemeton.plugins.check import Checked, check_extension, hook_specs
from nemeton.plugins.declarations import Declarations, in_dependency_order
from nemeton.plugins.errors import ExtensionError
from nemeton.plugins.extensions import Extensions, ExtensionStatus, Loaded
from nemeton.plugins.hints import ProviderHints
from nemeton.plugins.installed import InstalledExtension, builtin_extensions, installed_extensions
from nemeton.plugins.markers import PROJECT
from nemeton.plugins.registry import NameClashError, TypeRegistry
from nemeton.plugins.trace import timed

LOAD_LIST = "druid.extensions.loadList"
STRICT_ENV = "NEMETON_STRICT_EXTENSIONS"
log = logging.getLogger(__name__)


def load_extensions(
    properties: Mapping[str, str],
    builtins: Sequence[str],
    *,
    roles: Iterable[str] | None = None,
    installed: Mapping[str, InstalledExtension] | None = None,
    hookspecs: str | ModuleType = "nemeton.spi.hookspecs",
    strict: bool | None = None,
) -> Extensions:
    """Load core's own parts (module names) and then the extensions that ``druid.extensions.loadList`` asks for.

    With the property exactly those are loaded and a broken one raises `ExtensionError`; without it every installed
    extension is loaded, and a broken one is left out, logged and shown in `Extensions.statuses` (it raises too under
    ``NEMETON_STRICT_EXTENSIONS=1``). ``roles``, when given, leaves out hooks that count in other roles only.
    ``installed`` stands in for the environment's extensions in tests, ``hookspecs`` for the framework's hooks.
    ``strict`` overrides what a broken extension does: ``nemeton extensions list`` shows it even if the list names it.
    """
    specs = importlib.import_module(hookspecs) if isinstance(hookspecs, str) else hookspecs
    found = installed_extensions() if installed is None else installed
    named = parse_load_list(properties)
    loading = _Loading(specs, found, None if roles is None else frozenset(roles))
    loading.strict = strict is None or strict
    loading.load(builtin_extensions(builtins))
    loading.strict = named is not None or _env_says_strict() if strict is None else strict
    loading.load(list(found.values()) if named is None else loading.find_all(named))
    return loading.finish()


def _env_says_strict() -> bool:
    return os.environ.get(STRICT_ENV, "") not in ("", "0", "false")


def parse_load_list(properties: Mapping[str, str]) -> list[str] | None:
    """The extension names of ``druid.extensions.loadList``, a JSON list; None when the property is absent."""
    value = properties.get(LOAD_LIST)
    if value is None:
        return None
    try:
        names = json.loads(value)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ExtensionError(
            LOAD_LIST, f"its value {value!r} is not a JSON list of names", 'Write it as ["first-extension", "second"]'
        )
    return list(dict.fromkeys(names))


class _Loading:
    """One run of the loader."""

    def __init__(
        self, specs: ModuleType, installed: Mapping[str, InstalledExtension], roles: frozenset[str] | None
    ) -> None:
        self.strict = True
        self.specs = specs
        self.installed = installed
        self.roles = roles
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(specs)
        self.registry = TypeRegistry(ProviderHints(installed, self.is_loaded))
        self.loaded: dict[str, Loaded] = {}
        self.statuses: dict[str, ExtensionStatus] = {}

    def is_loaded(self, name: str) -> bool:
        return name in self.loaded

    def find_all(self, names: Sequence[str]) -> list[InstalledExtension]:
        """The installed extensions of those names."""
        missing = [name for name in names if name not in self.installed]
        for name in missing:
            error = _missing_error(name, [other for other in missing if other != name], self.installed)
            self._fail(InstalledExtension(name, "", "not installed", ""), error)
        return [self.installed[name] for name in names if name in self.installed]

    def load(self, extensions: Sequence[InstalledExtension]) -> None:
        """Load the extensions, each after those that it requires."""
        imported: dict[str, tuple[InstalledExtension, Any, Declarations]] = {}
        for extension in extensions:
            try:
                plugin, declared = self._import(extension)
            except ExtensionError as e:
                self._fail(extension, e)
            else:
                imported[extension.name] = (extension, plugin, declared)
        order, cycles = in_dependency_order({name: declared.requires for name, (_, _, declared) in imported.items()})
        for cycle in cycles:
            for name in cycle[:-1]:
                self._fail(imported[name][0], _cycle_error(name, cycle))
        for name in order:
            extension, plugin, declared = imported[name]
            try:
                self._commit(extension, plugin, declared)
            except ExtensionError as e:
                self._fail(extension, e, declared.requires)

    def _import(self, extension: InstalledExtension) -> tuple[Any, Declarations]:
        if extension.clashes_with is not None:
            raise ExtensionError(
                extension.name,
                f"two distributions provide it, {extension.distribution} and {extension.clashes_with}",
                "Uninstall one of them",
            )
        with timed(extension.name, "import"):
            plugin = extension.load()
        declared = Declarations.of(extension.name, plugin)
        declared.check_api(extension.name, self.specs.API)
        return plugin, declared

    def _commit(self, extension: InstalledExtension, plugin: Any, declared: Declarations) -> None:
        for required in declared.requires:
            if required not in self.loaded:
                raise _requires_error(extension.name, required, self.installed)
        checked = check_extension(extension, plugin, self.specs, self.roles)
        try:
            self.registry.add_all(list(checked.entries))
        except NameClashError as e:
            raise _clash_error(extension, e) from None
        self.manager.register(plugin, name=extension.name)
        self.loaded[extension.name] = Loaded(extension, plugin, checked.hooks, checked.modules)
        self.statuses[extension.name] = _loaded_status(extension, checked, declared)

    def _fail(self, extension: InstalledExtension, error: ExtensionError, requires: tuple[str, ...] = ()) -> None:
        if self.strict:
            raise error
        log.error("Left out: %s", error)
        self.statuses[extension.name] = ExtensionStatus(
            extension.name,
            extension.distribution,
            extension.version,
            "failed",
            extension.value,
            error,
            requires=requires,
        )

    def finish(self) -> Extensions:
        """Add the extensions that nobody asked for to the statuses, and hand out the result."""
        for name, found in self.installed.items():
            if name not in self.statuses:
                self.statuses[name] = ExtensionStatus(
                    name, found.distribution, found.version, "not loaded", found.value
                )
        return Extensions(self.registry, self.manager, list(self.loaded.values()), list(self.statuses.values()))


def _missing_error(name: str, others: list[str], installed: Mapping[str, InstalledExtension]) -> ExtensionError:
    neither = f", and neither is {', '.join(others)}" if others else ""
    return ExtensionError(
        name,
        f"{LOAD_LIST} names it, and it is not installed{neither}",
        f"Install the package that provides it (installed are: {', '.join(installed) or 'none'}), "
        f"or take it out of {LOAD_LIST}",
    )


def _cycle_error(name: str, cycle: list[str]) -> ExtensionError:
    return ExtensionError(
        name, f"extensions require each other in a cycle: {' -> '.join(cycle)}", "Take one out of its NEMETON_REQUIRES"
    )


def _requires_error(name: str, required: str, installed: Mapping[str, InstalledExtension]) -> ExtensionError:
    if required in installed:
        return ExtensionError(
            name,
            f"it requires the extension [{required}], which is installed and not loaded",
            f'Add "{required}" to {LOAD_LIST}, or see why it failed with `nemeton extensions doctor {required}`',
        )
    return ExtensionError(
        name,
        f"it requires the extension [{required}], which is not installed",
        f"Install the package that provides {required}",
    )


def _clash_error(extension: InstalledExtension, clash: NameClashError) -> ExtensionError:
    other = clash.holder.source
    return ExtensionError(
        extension.name,
        f"it registers the type name [{clash.name}] with hook {clash.hook}, which {_described(other)} holds; "
        f"it comes from {_described(clash.source)}",
        "Load only one of the two, or rename the type",
    )


def _described(source: str) -> str:
    return "nemeton itself" if source == "core" else f"extension {source}"


def _loaded_status(extension: InstalledExtension, checked: Checked, declared: Declarations) -> ExtensionStatus:
    registered: dict[str, list[str]] = {}
    for entry in checked.entries:
        registered.setdefault(entry.hook, []).append(entry.name)
    return ExtensionStatus(
        extension.name,
        extension.distribution,
        extension.version,
        "loaded",
        extension.value,
        None,
        checked.hooks,
        registered,
        declared.requires,
    )


__all__ = ["hook_specs", "load_extensions", "parse_load_list"]
