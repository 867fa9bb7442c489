"""Checks one extension in a scratch pluggy manager: its hooks exist, fit their specs and return the right things."""

from __future__ import annotations

import difflib
import inspect
import logging
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pluggy
from attrs import frozen

from nemeton.plugins.errors import ExtensionError
from nemeton.plugins.extensions import call_hook
from nemeton.plugins.installed import InstalledExtension
from nemeton.plugins.lazytype import LazyType
from nemeton.plugins.markers import PROJECT, HookInfo, hook_info
from nemeton.plugins.registry import CORE, Entry, NameClashError, TypeRegistry, member_problem
from nemeton.plugins.stability import Deprecation, RemovedError

log = logging.getLogger(__name__)


@frozen
class Checked:
    """What an extension's hooks gave: the hooks it implements, types to file, Modules."""

    hooks: tuple[str, ...]
    entries: tuple[Entry, ...]
    modules: tuple[Any, ...]


def hook_specs(specs: ModuleType) -> dict[str, Callable[..., Any]]:
    """The hookspecs of a module by name."""
    return {name: spec for name, spec in vars(specs).items() if hasattr(spec, "__hook_info__")}


def check_extension(
    extension: InstalledExtension, plugin: Any, specs: ModuleType, roles: frozenset[str] | None
) -> Checked:
    """Check the extension by itself and call its type and module hooks. Raises `ExtensionError`."""
    known = hook_specs(specs)
    hooks = _implemented_hooks(extension, plugin, specs, known)
    entries: list[Entry] = []
    modules: list[Any] = []
    for hook in hooks:
        info = hook_info(known[hook])
        if not _counts(info, roles):
            continue
        if info.kind == "types":
            entries += [_entry(extension, hook, item) for item in call_hook(extension, plugin, hook, {})]
        elif info.kind == "modules":
            modules += [_module(extension, hook, item) for item in call_hook(extension, plugin, hook, {})]
    _check_own_clashes(extension, entries)
    return Checked(hooks, tuple(entries), tuple(modules))


def _counts(info: HookInfo, roles: frozenset[str] | None) -> bool:
    return roles is None or info.roles is None or bool(info.roles & roles)


def _implemented_hooks(
    extension: InstalledExtension, plugin: Any, specs: ModuleType, known: dict[str, Any]
) -> tuple[str, ...]:
    scratch = pluggy.PluginManager(PROJECT)
    scratch.add_hookspecs(specs)
    try:
        scratch.register(plugin, name=extension.name)
    except pluggy.PluginValidationError as e:
        raise _bad_arguments(extension, plugin, known, e) from e
    hooks = tuple(caller.name for caller in scratch.get_hookcallers(plugin) or ())
    for hook in hooks:
        if hook not in known:
            near = difflib.get_close_matches(hook, known, n=1)
            meant = f"did you mean {near[0]}?" if near else "see the hook reference"
            raise ExtensionError(
                extension.name,
                f"it implements the hook {hook}, which nemeton does not have ({meant})",
                f"Rename or remove {hook} in {extension.value}, or install the nemeton that it was made for",
            )
        deprecation = getattr(specs, "DEPRECATED_HOOKS", {}).get(hook)
        if deprecation is not None:
            _tell(extension, deprecation, specs.API)
    if not hooks:
        raise ExtensionError(
            extension.name,
            f"{extension.value!r} implements no hook",
            "Decorate its hook functions with @hookimpl, and point the entry point at the module that holds them",
        )
    return hooks


def _tell(extension: InstalledExtension, deprecation: Deprecation, api: str) -> None:
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            deprecation.used(api)
    except RemovedError as e:
        raise ExtensionError(extension.name, str(e), f"Upgrade {extension.distribution}") from None
    for warning in caught:
        log.warning("Extension [%s]: %s", extension.name, warning.message)


def _bad_arguments(
    extension: InstalledExtension, plugin: Any, known: dict[str, Any], error: pluggy.PluginValidationError
) -> ExtensionError:
    for hook, spec in known.items():
        wanted = list(inspect.signature(spec).parameters)
        implementation = getattr(plugin, hook, None)
        if not callable(implementation):
            continue
        too_many = [name for name in inspect.signature(implementation).parameters if name not in wanted]
        if too_many:
            cause = f"its hook {hook} has the argument {too_many[0]}, which nemeton does not give it"
            return ExtensionError(
                extension.name, cause, f"Write it as {hook}({', '.join(wanted)}), or with fewer arguments"
            )
    return ExtensionError(extension.name, _one_line(error), "Give the hook the arguments that its spec names")


def _one_line(error: pluggy.PluginValidationError) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()).rstrip(".")


def _entry(extension: InstalledExtension, hook: str, item: Any) -> Entry:
    problem = None if isinstance(item, LazyType) else member_problem(item, hook)
    if problem is not None:
        raise _bad_item(extension, hook, f"{item!r}, which {problem}", "Return classes, or lazy(name, 'module:Class')")
    entry = Entry(hook, item, CORE if extension.distribution == CORE else extension.source)
    if not entry.names:
        raise _bad_item(
            extension, hook, f"{item!r}, which has no type name", f"Decorate {item.__name__} with @json_type"
        )
    if inspect.isabstract(item):
        missing = ", ".join(sorted(item.__abstractmethods__))
        raise _bad_item(
            extension, hook, f"{item!r}, which lacks {missing}", f"Implement {missing} in {item.__qualname__}"
        )
    return entry


def _module(extension: InstalledExtension, hook: str, item: Any) -> Any:
    module = item() if isinstance(item, type) else item
    if not callable(getattr(module, "configure", None)):
        raise _bad_item(extension, hook, f"{item!r}, which is no Module", "Return objects of nemeton.inject.Module")
    return module


def _bad_item(extension: InstalledExtension, hook: str, what: str, mend: str) -> ExtensionError:
    return ExtensionError(extension.name, f"its hook {hook} returned {what}", mend)


def _check_own_clashes(extension: InstalledExtension, entries: list[Entry]) -> None:
    try:
        TypeRegistry().add_all(entries)
    except NameClashError as e:
        cause = f"it registers the type name [{e.name}] with hook {e.hook} twice"
        raise ExtensionError(extension.name, cause, "Rename one of the two types") from None
