"""The checked graph of bindings: what each key is made from, found out before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from attrs import define, field, frozen

from nemeton.inject.binder import Binding, ChoiceBinding, ConfigBinding, Elements, Scope
from nemeton.inject.keys import Dependency, Key, dependencies_of, map_key, set_key
from nemeton.plugins.markers import own_point


class Registry(Protocol):
    """The part of the type registry that choices ask: implementations of an extension point by name."""

    def names(self, point: type) -> list[str]:
        """Names of the registered implementations."""

    def entries(self, point: type) -> Iterable[str]:
        """The same and their aliases."""

    def get(self, point: type, name: str) -> type:
        """The implementation of that name; raises for an unknown one."""


@frozen
class Node:
    """How one key is made: call `target` with what its dependencies give, or hand out `instance`."""

    key: Key
    source: str
    target: Callable[..., Any] | None = None
    instance: Any = None
    scope: Scope = Scope.SINGLETON
    eager: bool = False
    dependencies: tuple[Dependency, ...] = ()
    members: tuple[Node, ...] = ()
    """The elements of a set or map."""
    entries: tuple[str, ...] | None = None
    """The names of a map's elements."""
    config_prefix: str | None = None


@define
class Graph:
    """All nodes of one injector, those of its parents reachable through `parent`."""

    name: str
    nodes: dict[Key, Node] = field(factory=dict)
    parent: Graph | None = None
    problems: list[str] = field(factory=list)
    bad_choices: dict[str, str] = field(factory=dict)
    """Properties of choices whose values pick nothing, and what would be right."""

    def find(self, key: Key) -> Node | None:
        """The node of a key here or in a parent."""
        return self.nodes.get(key) or (self.parent.find(key) if self.parent else None)


def build_graph(
    name: str,
    elements: Elements,
    parent: Graph | None,
    get_property: Callable[[str], str | None],
    registry: Registry | None,
    given: dict[type, object],
) -> Graph:
    """Turn what modules said into a graph, with its problems listed rather than raised.

    `given` are objects that every injector has of its own, whatever its parent has.
    """
    graph = Graph(name, parent=parent)
    for type_, instance in given.items():
        graph.nodes[Key(type_)] = Node(Key(type_), "the injector itself", instance=instance)
    for binding in elements.bindings:
        _add(graph, _node(graph, binding))
    for config in elements.configs:
        _add(graph, _config_node(config))
    for choice in elements.choices:
        _add_choice(graph, choice, elements, get_property, registry)
    _add_sets(graph, elements)
    _add_maps(graph, elements)
    _check_managed(graph, elements)
    graph.problems.extend(_missing(graph))
    graph.problems.extend(_cycles(graph))
    return graph


def _node(graph: Graph, binding: Binding) -> Node:
    dependencies: tuple[Dependency, ...] = ()
    if binding.target is not None:
        try:
            dependencies = tuple(dependencies_of(binding.target))
        except (TypeError, ValueError) as error:
            graph.problems.append(f"{binding.key}, bound by {binding.source}: {error}")
    return Node(
        binding.key, binding.source, binding.target, binding.instance, binding.scope, binding.eager, dependencies
    )


def _config_node(config: ConfigBinding) -> Node:
    return Node(config.key, config.source, target=config.key.type, config_prefix=config.prefix)


def _add(graph: Graph, node: Node) -> None:
    known = graph.find(node.key)
    if known is None:
        graph.nodes[node.key] = node
    elif not _same_config(known, node):
        graph.problems.append(f"{node.key} is bound twice: by {known.source} and by {node.source}; take one away")


def _same_config(known: Node, node: Node) -> bool:
    """Several parts may read the same configuration; that is no conflict."""
    return node.config_prefix is not None and known.config_prefix == node.config_prefix


def _add_choice(
    graph: Graph,
    choice: ChoiceBinding,
    elements: Elements,
    get_property: Callable[[str], str | None],
    registry: Registry | None,
) -> None:
    added = {value: binding for key, value, binding in elements.choice_options if key == choice.key}
    registered = registry.names(choice.key.type) if registry is not None and _is_point(choice.key.type) else []
    possible = sorted({*added, *registered})
    value = get_property(choice.property) or _followed(choice, get_property, {*added, *_all_names(choice, registry)})
    if value is None:
        _refuse(graph, choice, f"picks the {choice.key} and must be set, to one of {possible}")
        return
    if value in added:
        _add(graph, _node(graph, added[value]))
        return
    try:
        if value not in possible and not registered:
            raise LookupError(f"set it to one of {possible}")
        assert registry is not None
        implementation = registry.get(choice.key.type, value)
    except Exception as error:  # noqa: BLE001 - the registry's error says what is known and what would provide it
        _refuse(graph, choice, f"[{value}] picks no {choice.key}: {error}")
        return
    if refused := getattr(implementation, "refused", None):
        _refuse(graph, choice, f"[{value}] cannot be used: {refused}")
        return
    _add(graph, _node(graph, Binding(choice.key, choice.source, implementation)))


def _followed(choice: ChoiceBinding, get_property: Callable[[str], str | None], known: set[str]) -> str | None:
    """What counts where the property is not set."""
    followed = get_property(choice.follows) if choice.follows is not None else None
    return followed if followed in known else choice.default


def _all_names(choice: ChoiceBinding, registry: Registry | None) -> Iterable[str]:
    """The registered implementations, by all of their names."""
    return registry.entries(choice.key.type) if registry is not None and _is_point(choice.key.type) else ()


def _refuse(graph: Graph, choice: ChoiceBinding, problem: str) -> None:
    """A fault of the configuration; those who ask for the key are not told that it is missing, too."""
    graph.bad_choices[choice.property] = problem
    graph.nodes[choice.key] = Node(choice.key, choice.source, instance=problem)


def _is_point(cls: Any) -> bool:
    return isinstance(cls, type) and own_point(cls) is not None


def _add_sets(graph: Graph, elements: Elements) -> None:
    for key, source in elements.sets.items():
        members = tuple(_node(graph, binding) for of, binding in elements.set_members if of == key)
        collected = set_key(key)
        inherited = graph.parent.find(collected) if graph.parent else None
        graph.nodes[collected] = Node(collected, source, members=(*(inherited.members if inherited else ()), *members))


def _add_maps(graph: Graph, elements: Elements) -> None:
    for key, source in elements.maps.items():
        collected = map_key(key)
        inherited = graph.parent.find(collected) if graph.parent else None
        entries = dict(zip(inherited.entries or (), inherited.members, strict=True)) if inherited else {}
        for of, entry, binding in elements.map_members:
            if of != key:
                continue
            if entry in entries:
                graph.problems.append(
                    f'Entry "{entry}" of the map of {key} is bound twice: by {entries[entry].source} and by '
                    f"{binding.source}; take one away"
                )
            entries[entry] = _node(graph, binding)
        graph.nodes[collected] = Node(collected, source, members=tuple(entries.values()), entries=tuple(entries))


def _check_managed(graph: Graph, elements: Elements) -> None:
    for managed in elements.managed:
        if graph.find(managed.key) is None:
            graph.problems.append(f"{managed.source} puts {managed.key} into the lifecycle, but nothing binds it")


def _missing(graph: Graph) -> Iterator[str]:
    seen: set[Key] = set()
    for root in graph.nodes.values():
        yield from _missing_below(graph, root, [], seen)


def _missing_below(graph: Graph, node: Node, chain: list[str], seen: set[Key]) -> Iterator[str]:
    if node.key in seen:
        return
    seen.add(node.key)
    chain = [*chain, str(node.key)]
    for owner in (node, *node.members):
        for dependency in owner.dependencies:
            found = graph.find(dependency.key)
            if found is not None:
                yield from _missing_below(graph, found, chain, seen)
            elif dependency.required:
                yield (
                    f"Nothing binds {dependency.key}, which {_shown(owner)} asks for as [{dependency.parameter}]; "
                    f"chain: {' -> '.join([*chain, str(dependency.key)])}; bind it in a module of this role"
                )


def _shown(node: Node) -> str:
    target = getattr(node.target, "__qualname__", None)
    return f"{target} (bound by {node.source})"


def _cycles(graph: Graph) -> Iterator[str]:
    done: set[Key] = set()
    for key in graph.nodes:
        yield from _cycle_from(graph, key, [], done)


def _cycle_from(graph: Graph, key: Key, path: list[Key], done: set[Key]) -> Iterator[str]:
    if key in path:
        cycle = [*path[path.index(key) :], key]
        yield (
            f"These need each other: {' -> '.join(map(str, cycle))}; "
            "let one of them ask for Provider[...] of the next and call it later"
        )
        return
    node = graph.nodes.get(key)
    if node is None or key in done:
        return
    path.append(key)
    for owner in (node, *node.members):
        for dependency in owner.dependencies:
            if not dependency.lazy:
                yield from _cycle_from(graph, dependency.key, path, done)
    path.pop()
    done.add(key)
