"""Looks for what is wrong with extensions beyond what loading finds: lazy classes, unfinished classes, dependencies."""

from __future__ import annotations

import importlib.metadata as metadata
import inspect
from collections.abc import Iterator

from attrs import frozen

from nemeton.plugins.extensions import Extensions, ExtensionStatus
from nemeton.plugins.lazytype import LazyImportError
from nemeton.plugins.markers import hook_info
from nemeton.plugins.registry import Entry


@frozen
class Problem:
    """Something wrong with an extension (or with a distribution of the environment), and what mends it."""

    extension: str
    cause: str
    mend: str


def examine(extensions: Extensions, status: ExtensionStatus) -> list[Problem]:
    """What is wrong with one extension."""
    if status.error is not None:
        return [Problem(status.name, status.error.cause, status.error.mend)]
    entries = {
        entry
        for hook, names in status.registered.items()
        for name, entry in extensions.registry.entries_of_hook(hook).items()
        if name in names
    }
    problems = [
        problem for entry in sorted(entries, key=lambda e: (e.hook, e.name)) for problem in _of_class(status, entry)
    ]
    return problems + _empty_hooks(extensions, status)


def _empty_hooks(extensions: Extensions, status: ExtensionStatus) -> list[Problem]:
    """Hooks of types that brought none: allowed, and mostly a forgotten ``return``."""
    return [
        Problem(status.name, f"its hook {hook} brings nothing", f"Return a list from {hook}(), or remove it")
        for hook in status.hooks
        if not status.registered.get(hook) and hook_info(getattr(extensions.hook, hook).spec.function).kind == "types"
    ]


def _of_class(status: ExtensionStatus, entry: Entry) -> Iterator[Problem]:
    what = f"its {entry.hook} type [{entry.name}]"
    try:
        cls = entry.load()
    except LazyImportError as e:
        yield Problem(
            status.name, f"{what} cannot be imported: {e}", "Correct the dotted name, or install what it needs"
        )
        return
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if inspect.isabstract(cls):
        yield Problem(status.name, f"{what}, {cls.__qualname__}, lacks {', '.join(missing)}", "Implement them")


def environment_problems(roots: list[str]) -> list[Problem]:
    """Requirements, of the distributions named and of all that they require, that this environment does not meet.

    Extensions share one environment, so that installing one can break another.
    """
    problems: list[Problem] = []
    seen: set[str] = set()
    waiting = [name for name in roots if name not in ("core", "not installed", "unknown distribution")]
    while waiting:
        name = waiting.pop()
        if name.lower() in seen:
            continue
        seen.add(name.lower())
        for required, problem in _requirements(name):
            if problem is None:
                waiting.append(required)
            else:
                problems.append(problem)
    return problems


def _requirements(name: str) -> Iterator[tuple[str, Problem | None]]:
    from packaging.requirements import Requirement

    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield (
                requirement.name,
                Problem(name, f"it requires {text}, which is not installed", f'pip install "{text}"'),
            )
            continue
        if requirement.specifier.contains(version, prereleases=True):
            yield requirement.name, None
        else:
            cause = f"it requires {text}, and {requirement.name} {version} is installed"
            yield requirement.name, Problem(name, cause, f'pip install "{text}"')
