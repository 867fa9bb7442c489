"""What can join a lifecycle: handlers, start/close instances and instances with marked methods."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

log = logging.getLogger(__name__)

_Method = TypeVar("_Method", bound=Callable[..., Any])
_START_MARK = "__lifecycle_start__"
_STOP_MARK = "__lifecycle_stop__"


def patience_of(part: object) -> float:
    """Seconds that a part may need for its stop beyond the usual: its ``stop_patience_s``, asked when that begins."""
    return float(getattr(part, "stop_patience_s", 0.0))


class Handler(Protocol):
    """Anything that a lifecycle starts and stops. May have ``stop_patience_s``: see `patience_of`."""

    def start(self) -> None:
        """Start; whatever is raised ends the start of the whole lifecycle."""

    def stop(self) -> None:
        """Stop; whatever is raised is collected, and the other handlers stop all the same."""


def lifecycle_start(method: _Method) -> _Method:
    """Mark a public method without arguments that runs when the lifecycle reaches the instance's stage."""
    setattr(method, _START_MARK, True)
    return method


def lifecycle_stop(method: _Method) -> _Method:
    """Mark a public method without arguments that runs when the lifecycle stops."""
    setattr(method, _STOP_MARK, True)
    return method


def is_managed(cls: type) -> bool:
    """Whether the class marks any method with `lifecycle_start` or `lifecycle_stop`."""
    return bool(_marked(cls, _START_MARK) or _marked(cls, _STOP_MARK))


def _marked(cls: type, mark: str) -> list[str]:
    """Names of the marked methods, those of base classes first, each once."""
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            if getattr(member, mark, False):
                names[name] = None
    return [name for name in names if getattr(getattr(cls, name, None), mark, False)]


class StartCloseHandler:
    """Runs ``start()`` and ``close()`` of an object; a failing close is logged and swallowed (Druid's rule)."""

    def __init__(self, instance: Any) -> None:
        for name in ("start", "close"):
            if not callable(getattr(instance, name, None)):
                raise TypeError(
                    f"{type(instance).__name__} cannot be a start/close instance: it has no method {name}(); "
                    "give it one, or add it with add_managed_instance and marked methods"
                )
        self.instance = instance

    def start(self) -> None:
        """Start the instance; its failure propagates."""
        self.instance.start()

    def stop(self) -> None:
        """Close the instance; its failure is logged."""
        try:
            self.instance.close()
        except Exception:
            log.exception("%s failed to close", type(self.instance).__name__)

    @property
    def stop_patience_s(self) -> float:
        """The instance's."""
        return patience_of(self.instance)

    def __repr__(self) -> str:
        return type(self.instance).__name__


class ManagedHandler:
    """Runs an object's marked methods; a failing stop method is logged and the remaining ones run."""

    def __init__(self, instance: Any) -> None:
        self.instance = instance

    def start(self) -> None:
        """Run the methods marked `lifecycle_start`; the first failure propagates."""
        for name in _marked(type(self.instance), _START_MARK):
            getattr(self.instance, name)()

    def stop(self) -> None:
        """Run the methods marked `lifecycle_stop`, all of them."""
        for name in _marked(type(self.instance), _STOP_MARK):
            try:
                getattr(self.instance, name)()
            except Exception:
                log.exception("%s.%s failed while stopping", type(self.instance).__name__, name)

    @property
    def stop_patience_s(self) -> float:
        """The instance's."""
        return patience_of(self.instance)

    def __repr__(self) -> str:
        return type(self.instance).__name__
