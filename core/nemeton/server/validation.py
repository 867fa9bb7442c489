"""Do the properties mean something? Checked over all roles, since a common file holds what any role reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nemeton.config import ConfigurationError, Properties
from nemeton.config.configurator import names_below
from nemeton.config.unknown import Sorted, sort_unread
from nemeton.inject import Binder, Injector
from nemeton.inject.binder import Elements
from nemeton.plugins import Extensions
from nemeton.server.roles import ROLES

READ_DIRECTLY = (
    "druid.extensions.loadList",
    "druid.extensions.directory",
    "druid.server.hiddenProperties",
)
"""Properties that are read before there is an injector."""


def check_unread(
    properties: Sequence[Properties], injectors: Mapping[str, Injector], extensions: Extensions
) -> list[str]:
    """Give the properties that mean nothing here. Raises `ConfigurationError` for those that nobody knows."""
    known = {*READ_DIRECTLY, *_read_by(injector.elements for injector in injectors.values())}
    if all(sort_unread(each, known) == Sorted([], []) for each in properties):
        return []
    # roles that do not run here may read what is left over
    known |= set(implemented_properties(extensions))
    found = [sort_unread(each, known) for each in properties]
    problems = list(dict.fromkeys(problem for each in found for problem in each.problems))
    if problems:
        raise ConfigurationError(problems)
    return sorted({name for each in found for name in each.without_meaning})


def implemented_properties(extensions: Extensions) -> Iterator[str]:
    """All properties that any role reads, patterns with ``*`` among them."""
    for role in ROLES.values():
        binder = Binder()
        for module in (*role.modules(), *extensions.modules(role.name)):
            binder.install(module)
        yield from _read_by([binder.elements])


def _read_by(elements: Iterable[Elements]) -> Iterator[str]:
    for each in elements:
        yield from each.properties
        for config in each.configs:
            yield from names_below(config.prefix, config.key.type)
