"""The task that does nothing, for as long as it is told to."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.json import json_options, wire
from nemeton.model import TaskStatus
from nemeton.plugins import json_type
from nemeton.spi.indexing import BATCH_PRIORITY, Task, TaskActionClient, TaskToolbox
from nemeton.spi.lookup_loading import LOAD_NONE, LookupLoadingSpec
from nemeton.time import format_datetime


@json_type("noop")
@json_options(omit_none=True)
@frozen(kw_only=True, slots=False)
class NoopTask(Task):
    """Waits ``run_time`` milliseconds and succeeds. ``is_ready_result``: YES, NO or EXCEPTION, for tests."""

    default_priority: ClassVar[int] = BATCH_PRIORITY

    data_source: str = "none"
    run_time: int = 2500
    is_ready_time: int = field(default=0, metadata=wire("isReadyTime", omit_default=True))
    is_ready_result: str = field(default="YES", metadata=wire("isReadyResult", omit_default=True))
    _stopped: threading.Event = field(
        factory=threading.Event, init=False, eq=False, repr=False, metadata=wire(skip=True)
    )

    def default_id(self) -> str:
        """Return ``noop_<time>_<uuid>``, as Druid does."""
        return f"noop_{format_datetime(int(time.time() * 1000))}_{uuid.uuid4()}"

    def is_ready(self, client: TaskActionClient) -> bool:
        """What ``isReadyResult`` says: True, False, or an exception."""
        if self.is_ready_result == "NO":
            return False
        if self.is_ready_result == "EXCEPTION":
            raise RuntimeError("Not ready. Never will be ready. Go away!")
        return True

    @property
    def lookup_loading_spec(self) -> LookupLoadingSpec:
        """None: it does nothing."""
        return LOAD_NONE

    def run(self, toolbox: TaskToolbox) -> TaskStatus:
        """Wait for ``runTime`` milliseconds, then succeed."""
        self._stopped.wait(max(0, self.run_time) / 1000)
        return TaskStatus.success(self.id)

    def stop_gracefully(self) -> None:
        """Let `run` succeed at once."""
        self._stopped.set()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_stopped"}
