"""The duty ``taskLogAutoCleaner``: old task logs and old rows of tasks go."""

from __future__ import annotations

import logging
import random
import threading
from typing import Any

from attrs import Attribute, field, frozen, validators

from nemeton.common.clock import Clock
from nemeton.config.configurator import SHOWN_DEFAULT
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.plugins import json_type
from nemeton.spi.duties import DutySchedule, OverlordDuty
from nemeton.spi.storage import TaskLogs

log = logging.getLogger(__name__)

_MINUTE_MS = 60_000
_SIX_HOURS_MS = 6 * 3600 * 1000


def _needs_duration(config: TaskLogAutoCleanerConfig, _: Attribute[Any], value: int | None) -> None:
    if config.enabled and value is None:
        raise ValueError("'durationToRetain' must be provided.")


@frozen(kw_only=True)
class TaskLogAutoCleanerConfig:
    """``druid.indexer.logs.kill.*``, in milliseconds: logs and rows of tasks older than ``durationToRetain`` go.

    The delay of the first run is random, between one and five minutes, unless it is given.
    """

    enabled: bool = False
    initial_delay: int = field(
        factory=lambda: _MINUTE_MS + random.randrange(4 * _MINUTE_MS),
        validator=validators.gt(0),
        metadata={SHOWN_DEFAULT: "1 to 5 minutes, at random"},
    )
    delay: int = field(default=_SIX_HOURS_MS, validator=validators.gt(0))
    duration_to_retain: int | None = field(
        default=None, validator=[_needs_duration, validators.optional(validators.gt(0))]
    )


@json_type("taskLogAutoCleaner")
class TaskLogAutoCleaner(OverlordDuty):
    """Removes the logs, reports and rows of tasks from before ``durationToRetain`` (Druid's class of the same name)."""

    def __init__(self, config: TaskLogAutoCleanerConfig, logs: TaskLogs, storage: TaskStorage, clock: Clock) -> None:
        self._config = config
        self._logs = logs
        self._storage = storage
        self._clock = clock

    @property
    def is_enabled(self) -> bool:
        """``druid.indexer.logs.kill.enabled``."""
        return self._config.enabled

    @property
    def schedule(self) -> DutySchedule:
        """``delay`` and ``initialDelay``."""
        return DutySchedule(period_s=self._config.delay / 1000, initial_delay_s=self._config.initial_delay / 1000)

    def run(self, stopped: threading.Event) -> None:
        """Remove the logs first: a row that is left behind is seen, and goes with the next run."""
        assert self._config.duration_to_retain is not None
        before = max(0, self._clock.now() - self._config.duration_to_retain)
        self._logs.kill_older_than(before)
        if not stopped.is_set():
            log.info("Removed the rows of %d old task(s)", self._storage.remove_tasks_older_than(before))
