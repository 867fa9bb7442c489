"""A class that is known by its dotted name until somebody needs it."""

from __future__ import annotations

import importlib
from typing import Any

from attrs import field, frozen
from attrs.validators import matches_re


class LazyImportError(ImportError):
    """The dotted name behind a lazily registered class cannot be resolved."""


@frozen
class LazyType:
    """``name`` (and ``aliases``) stand for the class at ``target``, spelled ``package.module:Class``."""

    name: str
    target: str = field(validator=matches_re(r"[\w.]+:[\w.]+"))
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All type names, the main one first."""
        return (self.name, *self.aliases)

    def load(self) -> Any:
        """Import the class. Raises `LazyImportError`, which says what is wrong with the dotted name."""
        return import_target(self.target)


def import_target(target: str) -> Any:
    """The object at ``package.module:attribute``. Raises `LazyImportError` whatever goes wrong."""
    module_name, _, path = target.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as e:
        raise LazyImportError(f"cannot import {target!r}: {type(e).__name__}: {e}") from e
    for attribute in path.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise LazyImportError(f"cannot import {target!r}: module {module_name!r} has no {path!r}") from None
    return found
