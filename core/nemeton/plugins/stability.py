"""How firm a promise is: stable, unstable, deprecated."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from attrs import frozen

T = TypeVar("T", bound=Callable[..., Any])

Stability = Literal["stable", "unstable"]


def stable(thing: T) -> T:
    """Mark a class or function of the SPI: it changes incompatibly only with the major number of the API version."""
    return _marked(thing, "stable")


def unstable(thing: T) -> T:
    """Mark a class or function of the SPI: it may change with any release. What carries no mark is unstable too."""
    return _marked(thing, "unstable")


def _marked(thing: T, stability: Stability) -> T:
    thing.__stability__ = stability  # type: ignore[attr-defined]
    return thing


def stability_of(thing: Any) -> Stability:
    """The mark that the thing itself carries; a subclass does not inherit its base's promise."""
    found: Stability = vars(thing).get("__stability__", "unstable")
    return found


class NemetonDeprecationWarning(DeprecationWarning):
    """An extension uses something that a later API version takes away."""


class RemovedError(AttributeError):
    """An extension uses something that has been taken away."""


@frozen
class Deprecation:
    """Something of the SPI that goes away, by API versions: the one that warns, that refuses, and that removes it."""

    what: str
    instead: str
    warns_in: str
    errors_in: str
    removed_in: str

    def message(self) -> str:
        """One sentence for who uses it."""
        return (
            f"{self.what} is deprecated since API {self.warns_in}, refused from {self.errors_in} "
            f"and gone in {self.removed_in}; use {self.instead}"
        )

    def used(self, api: str, stacklevel: int = 3) -> None:
        """Warn, or raise `RemovedError` when this API version refuses it; quiet before the version that warns."""
        if _parts(api) >= _parts(self.errors_in):
            raise RemovedError(self.message())
        if _parts(api) >= _parts(self.warns_in):
            warnings.warn(self.message(), NemetonDeprecationWarning, stacklevel=stacklevel)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
