"""How modules say what is bound to what."""

from __future__ import annotations

import enum
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from attrs import define, field, frozen

from nemeton.inject.keys import Key
from nemeton.lifecycle import Stage


class Scope(enum.Enum):
    """How long a built object lives."""

    SINGLETON = "singleton"
    """One for each injector, made when it is first asked for (or at once, if the binding is eager)."""
    UNSCOPED = "unscoped"
    """A new one for everybody who asks."""


@frozen
class Binding:
    """One statement of a module: this key comes from there."""

    key: Key
    source: str
    """The module and line that said so."""
    target: Callable[..., Any] | None = None
    """A class or function with annotated parameters."""
    instance: Any = None
    scope: Scope = Scope.SINGLETON
    eager: bool = False


@frozen
class ChoiceBinding:
    """The implementation of `key` is picked by a property (Druid's PolyBind)."""

    key: Key
    source: str
    property: str
    default: str | None
    follows: str | None = None
    """Another property, whose value counts where this one is not set and where it names an implementation."""


@frozen
class ConfigBinding:
    """An attrs class filled from the properties below a prefix (Druid's JsonConfigProvider)."""

    key: Key
    source: str
    prefix: str


@frozen
class Managed:
    """The object of this key joins the lifecycle."""

    key: Key
    stage: Stage
    source: str


@define
class Elements:
    """All that the modules of one injector said, in order."""

    bindings: list[Binding] = field(factory=list)
    choices: list[ChoiceBinding] = field(factory=list)
    choice_options: list[tuple[Key, str, Binding]] = field(factory=list)
    configs: list[ConfigBinding] = field(factory=list)
    set_members: list[tuple[Key, Binding]] = field(factory=list)
    map_members: list[tuple[Key, str, Binding]] = field(factory=list)
    sets: dict[Key, str] = field(factory=dict)
    maps: dict[Key, str] = field(factory=dict)
    managed: list[Managed] = field(factory=list)
    properties: dict[str, str] = field(factory=dict)
    """Single properties that are read without a config class, and who reads them."""


class Module(ABC):
    """A group of bindings that belong together (a Guice module)."""

    roles: ClassVar[frozenset[str] | None] = None
    """The roles that get this module when it comes from an extension; None: all of them."""

    @abstractmethod
    def configure(self, binder: Binder) -> None:
        """State the bindings. Nothing is built here, and the order of modules does not count."""


class SetBinder:
    """Collects the members of a set; consumers annotate ``list[T]``."""

    def __init__(self, binder: Binder, key: Key) -> None:
        self._binder = binder
        self._key = key

    def add(
        self,
        to: type | None = None,
        *,
        instance: Any = None,
        provider: Callable[..., Any] | None = None,
    ) -> SetBinder:
        """Add a member: a class to build, an object, or a function with annotated parameters."""
        binding = self._binder._binding(self._key, to, instance, provider, Scope.SINGLETON, False)
        self._binder.elements.set_members.append((self._key, binding))
        return self


class MapBinder:
    """Collects the entries of a map; consumers annotate ``dict[str, T]``."""

    def __init__(self, binder: Binder, key: Key) -> None:
        self._binder = binder
        self._key = key

    def add(
        self,
        entry: str,
        to: type | None = None,
        *,
        instance: Any = None,
        provider: Callable[..., Any] | None = None,
    ) -> MapBinder:
        """Add an entry; two entries of one name are an error that names both sources."""
        binding = self._binder._binding(self._key, to, instance, provider, Scope.SINGLETON, False)
        self._binder.elements.map_members.append((self._key, entry, binding))
        return self


class Binder:
    """Handed to `Module.configure`. It only takes notes; the injector checks and builds afterwards."""

    def __init__(self) -> None:
        self.elements = Elements()
        self._module = "?"
        self._installed: list[Module] = []

    def install(self, module: Module) -> None:
        """Configure another module too; equal modules (class and attributes) are installed once, whoever asks."""
        if any(type(other) is type(module) and vars(other) == vars(module) for other in self._installed):
            return
        self._installed.append(module)
        outer, self._module = self._module, type(module).__qualname__
        try:
            module.configure(self)
        finally:
            self._module = outer

    def bind(
        self,
        key: Any,
        *,
        name: str | None = None,
        to: type | None = None,
        instance: Any = None,
        provider: Callable[..., Any] | None = None,
        scope: Scope = Scope.SINGLETON,
        eager: bool = False,
    ) -> None:
        """Bind a type (and name) to a class, an object or a function; without any of them, to the type itself.

        The parameters of the class's constructor, or of the function, are injected by their annotations.
        `eager` makes the object with the injector instead of at first use.
        """
        found = self._key(key, name)
        if to is None and instance is None and provider is None:
            to = found.type
        self.elements.bindings.append(self._binding(found, to, instance, provider, scope, eager))

    def bind_choice(
        self,
        key: Any,
        property: str,  # noqa: A002 - Druid's word
        default: str | None = None,
        *,
        name: str | None = None,
        follows: str | None = None,
    ) -> None:
        """Let the property's value pick the implementation among the registered types and `add_choice`'s.

        Where it is not set, the value of the property `follows` counts if it names one of them, and then `default`.
        A registered class with an attribute ``refused`` is known only to be refused, with that text as the mend.
        """
        found = self._key(key, name)
        self.elements.choices.append(ChoiceBinding(found, self._here(), property, default, follows))
        self.elements.properties.setdefault(property, self._here())

    def add_choice(self, key: Any, value: str, to: type, *, name: str | None = None) -> None:
        """Add an implementation that `bind_choice` may pick, beside those that came through hooks."""
        found = self._key(key, name)
        binding = self._binding(found, to, None, None, Scope.SINGLETON, False)
        self.elements.choice_options.append((found, value, binding))

    def bind_config(self, prefix: str, config_class: type, *, name: str | None = None) -> None:
        """Bind an attrs class whose fields are the properties below `prefix`, in camelCase."""
        self.elements.configs.append(ConfigBinding(Key(config_class, name), self._here(), prefix))

    def bind_set(self, element: Any, *, name: str | None = None) -> SetBinder:
        """Declare a set of `element` and get the binder to add members; many modules may do so."""
        key = self._key(element, name)
        self.elements.sets.setdefault(key, self._here())
        return SetBinder(self, key)

    def bind_map(self, element: Any, *, name: str | None = None) -> MapBinder:
        """Declare a map from names to `element` and get the binder to add entries; many modules may do so."""
        key = self._key(element, name)
        self.elements.maps.setdefault(key, self._here())
        return MapBinder(self, key)

    def manage_lifecycle(self, key: Any, *, name: str | None = None, stage: Stage = Stage.NORMAL) -> None:
        """Make the object of `key` with the injector, and start and stop it with the lifecycle.

        The object's class marks methods with `lifecycle_start` and `lifecycle_stop`, or has ``start`` and ``close``.
        """
        self.elements.managed.append(Managed(self._key(key, name), stage, self._here()))

    def declare_property(self, property: str) -> None:  # noqa: A002 - Druid's word
        """Say that a part reads this single property by itself, so that it does not count as unknown.

        A name that ends in ``*`` stands for everything below it.
        """
        self.elements.properties.setdefault(property, self._here())

    @staticmethod
    def _key(key: Any, name: str | None) -> Key:
        return key if isinstance(key, Key) else Key(key, name)

    def _binding(
        self,
        key: Key,
        to: type | None,
        instance: Any,
        provider: Callable[..., Any] | None,
        scope: Scope,
        eager: bool,
    ) -> Binding:
        given = [way for way in (to, instance, provider) if way is not None]
        if len(given) != 1:
            raise TypeError(f"{self._here()}: bind {key} to exactly one of a class, an instance, a provider")
        return Binding(key, self._here(), to or provider, instance, scope, eager)

    def _here(self) -> str:
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_globals.get("__name__") == __name__:
            frame = frame.f_back
        return f"{self._module} ({frame.f_globals.get('__name__')}:{frame.f_lineno})"
