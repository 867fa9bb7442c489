"""What the leading Overlord does now and then, beside running tasks."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from attrs import frozen

from nemeton.plugins import extension_point

if TYPE_CHECKING:
    from nemeton.spi.runners import TaskRunner


@frozen(kw_only=True)
class DutySchedule:
    """When a duty runs: first after ``initial_delay_s`` seconds, then always ``period_s`` after the end of a run."""

    period_s: float
    initial_delay_s: float


class LeadingOverlord(ABC):
    """What a duty may ask of the Overlord that runs it; have it injected."""

    @property
    @abstractmethod
    def task_runner(self) -> TaskRunner | None:
        """The runner with its tasks; None while this Overlord does not lead."""


@extension_point(hook="overlord_duties", name="Overlord duty")
class OverlordDuty(ABC):
    """Runs again and again while this Overlord leads (Druid: ``OverlordDuty``). Made by the injector, once per role.

    All duties share one thread, so that they never meet each other.
    """

    @property
    def is_enabled(self) -> bool:
        """Whether it runs at all; asked each time when this Overlord becomes leader."""
        return True

    @property
    @abstractmethod
    def schedule(self) -> DutySchedule:
        """When it runs; asked when this Overlord becomes leader."""

    @abstractmethod
    def run(self, stopped: threading.Event) -> None:
        """Do the work once. An exception is logged, and the schedule goes on.

        ``stopped`` is set when this Overlord leads no more; work that takes long looks at it between its steps, and
        does nothing for the cluster after it.
        """
