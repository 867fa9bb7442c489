"""The extensions that are installed in this environment, found by their entry points."""

from __future__ import annotations

import importlib
import importlib.metadata as metadata
from collections.abc import Iterable
from typing import Any

from attrs import field, frozen

from nemeton.plugins.errors import ExtensionError, where_raised

GROUP = "nemeton.extensions"


@frozen
class InstalledExtension:
    """An entry point of the group, not imported yet.

    ``value`` is ``package.module`` or ``package.module:object``; ``distribution`` the pip name of the package (``core``
    for nemeton's own parts).
    """

    name: str
    value: str
    distribution: str
    version: str
    clashes_with: str | None = field(default=None)

    @property
    def source(self) -> str:
        """The name that messages call it by: the extension and, where it is another, its distribution."""
        return self.name if self.distribution in (self.name, "core") else f"{self.name} ({self.distribution})"

    def load(self) -> Any:
        """Import it. Raises `ExtensionError`."""
        try:
            module_name, _, path = self.value.partition(":")
            found: Any = importlib.import_module(module_name)
            for attribute in filter(None, path.split(".")):
                found = getattr(found, attribute)
            return found
        except KeyboardInterrupt:
            raise
        except BaseException as e:  # an extension that calls sys.exit at import is broken like any other
            error = ExtensionError(self.name, _import_cause(self, e), _import_mend(self, e))
            raise error from e


def _import_cause(extension: InstalledExtension, error: BaseException) -> str:
    told = str(error) or type(error).__name__
    named = told if isinstance(error, ImportError) else f"{type(error).__name__}: {told}"
    what = f"{extension.value!r} of {extension.distribution} {extension.version}"
    return f"{what} fails to import: {named.rstrip('.')}{where_raised(error, extension.value)}"


def _import_mend(extension: InstalledExtension, error: BaseException) -> str:
    if extension.distribution == "core":
        return "Reinstall nemeton; one of its own parts is broken"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and not extension.value.startswith(missing):
        return f"Install the module [{missing}] that it needs, or reinstall {extension.distribution}"
    return f"Upgrade or uninstall {extension.distribution}, or leave it out of druid.extensions.loadList"


def installed_extensions() -> dict[str, InstalledExtension]:
    """All installed extensions by name.

    Two distributions that use one extension name are kept as one that says so and that cannot be loaded; one
    distribution seen twice on the path is one.
    """
    found: dict[str, InstalledExtension] = {}
    for point in metadata.entry_points(group=GROUP):
        extension = _from_entry_point(point)
        other = found.get(extension.name)
        if other is None:
            found[extension.name] = extension
        elif other.distribution != extension.distribution:
            found[extension.name] = InstalledExtension(
                other.name, other.value, other.distribution, other.version, clashes_with=extension.distribution
            )
    return dict(sorted(found.items()))


def _from_entry_point(point: metadata.EntryPoint) -> InstalledExtension:
    dist = point.dist
    name, version = (dist.name, dist.version) if dist is not None else ("unknown distribution", "?")
    return InstalledExtension(point.name, point.value, name, version)


def builtin_extensions(modules: Iterable[str]) -> list[InstalledExtension]:
    """Core's own parts, given as module names, as extensions."""
    from nemeton import __version__

    return [InstalledExtension(module.removesuffix(".extension"), module, "core", __version__) for module in modules]
