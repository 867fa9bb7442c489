"""Extensions loaded apart from what is installed, for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from attrs import frozen

from nemeton.json import Json
from nemeton.plugins import Extensions, InstalledExtension, TypeRegistry, installed_extensions, load_extensions


@frozen
class GivenExtension(InstalledExtension):
    """An extension that is there already: an imported module, or any object with hook implementations."""

    plugin: Any = None

    def load(self) -> Any:
        """The object itself."""
        return self.plugin


class LoadedExtensions:
    """What came of loading: ``registry``, ``json`` (a converter that knows the types), ``statuses``, ``extensions``."""

    def __init__(self, extensions: Extensions) -> None:
        """Wrap the result of the loader."""
        self.extensions = extensions
        self.registry: TypeRegistry = extensions.registry
        self.statuses = extensions.statuses
        self.json = Json(extensions.registry)


def load_isolated(
    *given: str | ModuleType | object,
    core: bool | Sequence[str] = True,
    properties: Mapping[str, str] | None = None,
) -> LoadedExtensions:
    """Load just these extensions; see the fixture `nemeton_extensions`. ``core`` may name some of core's own parts."""
    from nemeton.server.builtin import BUILTIN_EXTENSIONS

    chosen = [_extension(item) for item in given]
    builtins = BUILTIN_EXTENSIONS if core is True else core or ()
    settings = {k: v for k, v in (properties or {}).items() if k != "druid.extensions.loadList"}
    installed = {extension.name: extension for extension in chosen}
    return LoadedExtensions(load_extensions(settings, builtins, installed=installed, strict=True))


def _extension(item: str | ModuleType | object) -> InstalledExtension:
    if isinstance(item, str):
        installed = installed_extensions()
        if item not in installed:
            raise LookupError(f"No extension [{item}] is installed; installed are: {', '.join(installed) or 'none'}")
        return installed[item]
    name = item.__name__ if isinstance(item, ModuleType) else type(item).__name__
    return GivenExtension(name, name, "given to the test", "0", plugin=item)


def json_knowing(hook: str, value: object, load: Callable[..., LoadedExtensions]) -> Json:
    """A converter that knows core's types of queries and the type of the value, loaded or not."""
    registry = load(core=("nemeton.query.extension",)).registry
    if not any(entry.load() is type(value) for entry in registry.entries_of_hook(hook).values()):
        registry.add(hook, type(value))
    return Json(registry)
