"""Builds objects from a checked graph, with dependency-injector's providers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from dependency_injector import providers

from nemeton.config import JsonConfigurator, Properties
from nemeton.inject.binder import Binder, Managed, Module, Scope
from nemeton.inject.errors import InjectionError
from nemeton.inject.graph import Graph, Node, build_graph
from nemeton.inject.keys import Dependency, Key, Provider, dependencies_of
from nemeton.lifecycle import Lifecycle
from nemeton.lifecycle.handlers import ManagedHandler, StartCloseHandler, is_managed

T = TypeVar("T")


class Injector:
    """Gives objects by type. Thread-safe; singletons are made once, at first use or, if eager, at once.

    Raises `InjectionError` with all faults of the bindings, or `ConfigurationError` with all faults of the
    properties, before anything is built. A child injector sees its parent's bindings. What is `given` is its own,
    whatever the parent binds, and so are `Injector`, `Lifecycle` (where there is one), `Properties` and
    `JsonConfigurator` (where they differ).
    """

    def __init__(
        self,
        modules: Iterable[Module],
        *,
        configurator: JsonConfigurator | None = None,
        parent: Injector | None = None,
        lifecycle: Lifecycle | None = None,
        given: Mapping[type, object] | None = None,
        name: str = "main",
        eagerly: bool = True,
    ) -> None:
        if configurator is None:
            configurator = parent._configurator if parent else JsonConfigurator(Properties({}))
        self.name = name
        self._parent = parent
        self._configurator: JsonConfigurator = configurator
        self._given: dict[type, object] = {Injector: self, **(given or {})}
        if lifecycle is not None:
            self._given[Lifecycle] = lifecycle
        self._providers: dict[Key, providers.Provider[Any]] = {}
        binder = Binder()
        for module in modules:
            binder.install(module)
        self._managed = {managed.key: managed for managed in binder.elements.managed}
        self.elements = binder.elements
        self._graph = self._check(binder)
        if eagerly:
            self.build_eager()

    def _check(self, binder: Binder) -> Graph:
        given = dict(self._given)
        if self._parent is None or self._configurator is not self._parent._configurator:
            given |= {JsonConfigurator: self._configurator, Properties: self._configurator.properties}
        graph = build_graph(
            self.name,
            binder.elements,
            self._parent._graph if self._parent else None,
            self._configurator.properties.get,
            self._configurator.registry,
            given,
        )
        if graph.problems:
            raise InjectionError(self.name, list(dict.fromkeys(graph.problems)))
        self._configurator.check(
            ((node.config_prefix, node.key.type) for node in graph.nodes.values() if node.config_prefix is not None),
            graph.bad_choices,
        )
        return graph

    def build_eager(self) -> None:
        """Make what is bound eagerly or managed by the lifecycle; done already unless made with ``eagerly=False``."""
        for node in list(self._graph.nodes.values()):
            if node.eager:
                self._get(node.key)
        for key in self._managed:
            self._get(key)

    def get(self, type_: type[T], name: str | None = None) -> T:
        """Give the object bound to the type (and name). Raises `InjectionError` if nothing is."""
        key = Key(type_, name)
        if self._graph.find(key) is None:
            raise InjectionError(self.name, [f"Nothing binds {key}; bind it in a module of this injector"])
        return cast(T, self._get(key))

    def has(self, type_: Any, name: str | None = None) -> bool:
        """Whether the type (and name) is bound here or in a parent."""
        return self._graph.find(Key(type_, name)) is not None

    def create(self, cls: Callable[..., T], **given: Any) -> T:
        """Build an object that is not bound: what is not given is injected by annotation."""
        wanted = [dependency for dependency in dependencies_of(cls) if dependency.parameter not in given]
        missing = [d for d in wanted if d.required and self._graph.find(d.key) is None]
        if missing:
            shown = ", ".join(f"{d.key} for [{d.parameter}]" for d in missing)
            raise InjectionError(
                self.name, [f"{getattr(cls, '__qualname__', cls)} cannot be made: nothing binds {shown}"]
            )
        arguments = {name: provider() for name, provider in self._arguments(wanted).items()}
        return cls(**arguments, **given)

    def _get(self, key: Key) -> Any:
        owner = self._owner(key)
        return owner._provider(key)()

    def _owner(self, key: Key) -> Injector:
        if key in self._graph.nodes or self._parent is None:
            return self
        return self._parent._owner(key)

    def _provider(self, key: Key) -> providers.Provider[Any]:
        provider = self._providers.get(key)
        if provider is None:
            # a race makes two providers and keeps one, before either has made an object
            provider = self._providers.setdefault(key, self._make_provider(self._graph.nodes[key]))
        return provider

    def _make_provider(self, node: Node) -> providers.Provider[Any]:
        if node.config_prefix is not None:
            return providers.ThreadSafeSingleton(self._configurator.configurate, node.config_prefix, node.key.type)
        if node.key.type is not None and node.target is None and node.instance is None:
            return self._collection(node)
        if node.target is None:
            return providers.Object(node.instance)
        kind = providers.ThreadSafeSingleton if node.scope is Scope.SINGLETON else providers.Factory
        return kind(self._construct, node, **self._arguments(node.dependencies))

    def _collection(self, node: Node) -> providers.Provider[Any]:
        made = [self._make_provider(member) for member in node.members]
        if node.entries is not None:
            return providers.ThreadSafeSingleton(
                lambda *values: dict(zip(node.entries or (), values, strict=True)), *made
            )
        return providers.ThreadSafeSingleton(lambda *values: list(values), *made)

    def _arguments(self, dependencies: Iterable[Dependency]) -> dict[str, providers.Provider[Any]]:
        arguments: dict[str, providers.Provider[Any]] = {}
        for dependency in dependencies:
            if self._graph.find(dependency.key) is None:
                continue
            owner = self._owner(dependency.key)
            if dependency.lazy:
                supply = Provider(lambda key=dependency.key: self._get(key))  # type: ignore[misc]
                arguments[dependency.parameter] = providers.Object(supply)
            else:
                arguments[dependency.parameter] = owner._provider(dependency.key)
        return arguments

    def _construct(self, node: Node, /, **arguments: Any) -> Any:
        assert node.target is not None
        made = node.target(**arguments)
        managed = self._managed.get(node.key)
        if managed is not None:
            self._join_lifecycle(made, managed)
        return made

    def _join_lifecycle(self, made: Any, managed: Managed) -> None:
        handler = ManagedHandler(made) if is_managed(type(made)) else StartCloseHandler(made)
        self.get(Lifecycle).add_and_start(handler, managed.stage)
