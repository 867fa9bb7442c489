"""What came of loading: the registry, the hooks and the state of each extension."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pluggy
from attrs import field, frozen

from nemeton.plugins.errors import ExtensionError, where_raised
from nemeton.plugins.installed import InstalledExtension
from nemeton.plugins.registry import TypeRegistry
from nemeton.plugins.trace import timed

State = Literal["loaded", "failed", "not loaded"]


@frozen
class ExtensionStatus:
    """One extension as ``/status`` and ``nemeton extensions list`` show it.

    ``registered`` maps each hook that files types to the names filed; ``error`` is there when ``state`` is ``failed``.
    """

    name: str
    distribution: str
    version: str
    state: State
    value: str = ""
    error: ExtensionError | None = field(default=None, eq=False)
    hooks: tuple[str, ...] = ()
    registered: Mapping[str, Sequence[str]] = field(factory=dict)
    requires: tuple[str, ...] = ()

    @property
    def is_core(self) -> bool:
        """Whether it is one of nemeton's own parts."""
        return self.distribution == "core"


@frozen
class Loaded:
    """An extension that passed every check: its plugin object and what its hooks gave."""

    extension: InstalledExtension
    plugin: Any
    hooks: tuple[str, ...]
    modules: tuple[Any, ...] = ()


class Extensions:
    """All extensions of the process. Read-only once loaded; safe from any thread."""

    def __init__(
        self,
        registry: TypeRegistry,
        manager: pluggy.PluginManager,
        loaded: Sequence[Loaded],
        statuses: Sequence[ExtensionStatus],
    ) -> None:
        self.registry = registry
        self.manager = manager
        self.statuses = tuple(statuses)
        self._loaded = tuple(loaded)

    @property
    def hook(self) -> Any:
        """Pluggy's hook relay: ``extensions.hook.cli_commands()`` gives one result per extension; see `collect`."""
        return self.manager.hook

    def modules(self, role: str | None = None) -> list[Any]:
        """The Modules of the ``druid_modules`` hook that count in that role, in load order; None: of every role."""
        every = [module for loaded in self._loaded for module in loaded.modules]
        return [m for m in every if role is None or _counts_in(m, role)]

    def modules_with(self, hook: str) -> list[Any]:
        """The Modules of those extensions that implement the hook: what its types need in a tool without a role."""
        return [module for loaded in self._loaded if hook in loaded.hooks for module in loaded.modules]

    def collect(self, hook: str, **arguments: Any) -> list[Any]:
        """Call a hook of every extension, in load order, and chain the lists that they return.

        Raises `ExtensionError` naming the extension whose implementation fails.
        """
        return [item for _, items in self.collect_by_extension(hook, **arguments) for item in items]

    def collect_by_extension(self, hook: str, **arguments: Any) -> Iterator[tuple[InstalledExtension, list[Any]]]:
        """As `collect`, per extension and lazily."""
        for loaded in self._loaded:
            if hook in loaded.hooks:
                yield loaded.extension, call_hook(loaded.extension, loaded.plugin, hook, arguments)


def _counts_in(module: Any, role: str) -> bool:
    roles = getattr(module, "roles", None)
    return roles is None or role in roles


def call_hook(extension: InstalledExtension, plugin: Any, hook: str, arguments: Mapping[str, Any]) -> list[Any]:
    """The list that one extension's hook returns (None counts as empty). Raises `ExtensionError`."""
    implementation = getattr(plugin, hook)
    accepted = inspect.signature(implementation).parameters
    try:
        with timed(extension.name, hook):
            result = implementation(**{name: value for name, value in arguments.items() if name in accepted})
    except Exception as e:
        raise ExtensionError(
            extension.name,
            f"its hook {hook} fails: {type(e).__name__}: {e}".rstrip(".") + where_raised(e, extension.value),
            f"Upgrade or uninstall {extension.distribution}, or leave it out of druid.extensions.loadList",
        ) from e
    if result is None:
        return []
    if not isinstance(result, list | tuple):
        raise ExtensionError(
            extension.name,
            f"its hook {hook} returned {type(result).__name__} {result!r}, and a list is wanted",
            f"Return a list from {hook}() in {extension.value}",
        )
    return list(result)
