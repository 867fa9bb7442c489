"""Modules that replace bindings of other modules, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nemeton.inject.binder import Binder, Binding, ChoiceBinding, ConfigBinding, Elements, Module
from nemeton.inject.keys import Key


class _Overridden(Module):
    def __init__(self, modules: Sequence[Module], replacements: Sequence[Module]) -> None:
        self._modules = modules
        self._replacements = replacements

    def configure(self, binder: Binder) -> None:
        base, replacing = _elements(self._modules), _elements(self._replacements)
        replaced = _keys(replacing)
        kept = Elements(
            bindings=[b for b in base.bindings if b.key not in replaced],
            choices=[c for c in base.choices if c.key not in replaced],
            choice_options=base.choice_options,
            configs=[c for c in base.configs if c.key not in replaced],
            set_members=base.set_members,
            map_members=[m for m in base.map_members if (m[0], m[1]) not in _entries(replacing)],
            sets=base.sets,
            maps=base.maps,
            managed=[m for m in base.managed if m.key not in replaced or m.key in {r.key for r in replacing.managed}],
            properties=base.properties,
        )
        for elements in (kept, replacing):
            _append(binder.elements, elements)


def override(modules: Sequence[Module], *, with_: Iterable[Module]) -> list[Module]:
    """Give one module that configures `modules`, with every key that `with_` binds taken from there (Modules.override).

    Members of sets are added, entries of maps are replaced by name. A replaced key leaves the lifecycle unless the
    replacement manages it too.
    """
    return [_Overridden(modules, list(with_))]


def _elements(modules: Iterable[Module]) -> Elements:
    binder = Binder()
    for module in modules:
        binder.install(module)
    return binder.elements


def _keys(elements: Elements) -> set[Key]:
    said: list[Binding | ChoiceBinding | ConfigBinding] = [*elements.bindings, *elements.choices, *elements.configs]
    return {each.key for each in said}


def _entries(elements: Elements) -> set[tuple[Key, str]]:
    return {(key, entry) for key, entry, _ in elements.map_members}


def _append(to: Elements, more: Elements) -> None:
    for name in ("bindings", "choices", "choice_options", "configs", "set_members", "map_members", "managed"):
        getattr(to, name).extend(getattr(more, name))
    for name in ("sets", "maps", "properties"):
        for key, value in getattr(more, name).items():
            getattr(to, name).setdefault(key, value)
