"""Task actions over HTTP, as peons send them."""

from __future__ import annotations

import logging
import threading
from typing import TypeVar

from nemeton.common.errors import canceled
from nemeton.rpc.client import RetryPolicy
from nemeton.rpc.overlord import OverlordClient
from nemeton.spi.indexing import Task, TaskAction

log = logging.getLogger(__name__)

T = TypeVar("T")

#: An Overlord may be away while another takes over; a task is worth waiting for.
_POLICY = RetryPolicy(deadline_s=600.0, request_timeout_s=300.0, max_pause_s=10.0, retry_server_errors=False)


class RemoteTaskActionClient:
    """Sends actions to the leading Overlord, again until its deadline when that is away. Thread-safe.

    Every action may be repeated: the Overlord answers a repeated one as it did the first time.
    """

    def __init__(self, task: Task, overlord: OverlordClient) -> None:
        self._task = task
        self._overlord = overlord.with_policy(_POLICY)
        self._closed = threading.Event()

    def submit(self, action: TaskAction[T]) -> T:
        """Send the action, return its result. Raises HttpResponseError, RpcError, or ``canceled`` once closed."""
        if self._closed.is_set():
            raise canceled(f"Task [{self._task.id}] is being stopped")
        result: T = self._overlord.submit_action(self._task, action, action.result_type)
        return result

    def close(self) -> None:
        """Send nothing any more."""
        self._closed.set()
