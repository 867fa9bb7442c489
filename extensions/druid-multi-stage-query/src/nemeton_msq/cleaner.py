"""The duty ``durableStorageCleaner``."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from nemeton.spi import DutySchedule, LeadingOverlord, OverlordDuty, TaskRunner, json_type
from nemeton_msq.config import DurableStorageCleanerConfig, DurableStorageConfig
from nemeton_msq.local_storage import LocalDurableStorage

log = logging.getLogger(__name__)

_CONTROLLER = "controller_"
_QUERY_RESULTS = "query-results"


@json_type("durableStorageCleaner")
class DurableStorageCleaner(OverlordDuty):
    """Removes files of durable storage that belong to no running task (Druid's class of the same name).

    Query results outlive their task: they stay as long as the runner knows it.
    """

    def __init__(
        self, storage: DurableStorageConfig, config: DurableStorageCleanerConfig, overlord: LeadingOverlord
    ) -> None:
        self._storage_config = storage
        self._config = config
        self._overlord = overlord

    @property
    def is_enabled(self) -> bool:
        """Whether there is durable storage, and it is to be cleaned."""
        return self._storage_config.enable and self._config.enabled

    @property
    def schedule(self) -> DutySchedule:
        """``delaySeconds``, before the first run too."""
        return DutySchedule(period_s=self._config.delay_seconds, initial_delay_s=self._config.delay_seconds)

    def run(self, stopped: threading.Event) -> None:
        """Look at the files first: a task that begins after that has none among them."""
        assert self._storage_config.base_path is not None
        storage = LocalDurableStorage(Path(self._storage_config.base_path))
        files = storage.list_files()
        runner = self._overlord.task_runner
        if runner is None or stopped.is_set():
            return
        left_over = _left_over(files, runner)
        if left_over:
            log.info("Removing %d file(s) of durable storage that belong to no running task", len(left_over))
            storage.remove(left_over)


def _left_over(files: list[str], runner: TaskRunner) -> list[str]:
    running = {_CONTROLLER + item.task_id for item in runner.get_running_tasks()}
    known = {_CONTROLLER + item.task_id for item in runner.get_known_tasks()}
    found = []
    for file in files:
        first, _, rest = file.partition("/")
        owner, owners = (rest.partition("/")[0], known) if first == _QUERY_RESULTS else (first, running)
        if owner.startswith(_CONTROLLER) and owner not in owners:
            found.append(file)
    return found
