"""Monitors: what is measured now and then, while the process runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar, Protocol

from nemeton.plugins import extension_point


class MetricSink(Protocol):
    """Where a monitor puts what it has measured: the service's emitter. It never blocks and never raises."""

    def emit_metric(self, name: str, value: float, **dims: Any) -> None:
        """Emit a measurement with its dimensions; dimensions that are None are left out."""
        ...


@extension_point(hook="monitors", name="monitor")
class Monitor(ABC):
    """Measures something once per ``druid.monitoring.emissionPeriod`` (Druid's class of the same name).

    ``druid.monitoring.monitors`` names it. It is made by the injector, once per role, and called on one thread that all
    monitors of the role share: it must not wait for long. What it raises is logged, and it is called again.
    """

    roles: ClassVar[Collection[str] | None] = None
    """The roles that it is for, such as ``"overlord"``; elsewhere it is left out. None: all."""

    not_in: ClassVar[Collection[str]] = ()
    """Roles in which it is left out whatever `roles` says."""

    def start(self) -> None:  # noqa: B027 - optional
        """Called once before the first measurement."""

    @abstractmethod
    def monitor(self, metrics: MetricSink) -> None:
        """Measure, and emit."""

    def stop(self) -> None:  # noqa: B027 - optional
        """Called once after the last measurement."""
