"""The supervisor task as its sub tasks call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from nemeton.indexing.batch.parallel.messages import SegmentAllocationRequest, SubTaskReport
from nemeton.rpc.task_chat import TaskChatClient
from nemeton.spi.metadata import SegmentIdWithShardSpec

if TYPE_CHECKING:
    from nemeton.http.client import HttpClient
    from nemeton.json import Json
    from nemeton.spi.indexing import TaskToolbox


@frozen
class SupervisorTaskClient:
    """Reports, and asks for segment ids (Druid: ``ParallelIndexSupervisorTaskClient``).

    In Smile, which is all that Druid's supervisor tasks accept.
    """

    chat: TaskChatClient
    json: Json

    @classmethod
    def of(
        cls, task_id: str, toolbox: TaskToolbox, http: HttpClient, *, timeout_s: float, retries: int
    ) -> SupervisorTaskClient:
        """With the patience of the tuning's ``chatHandlerTimeout`` and ``chatHandlerNumRetries``."""
        chat = TaskChatClient(
            task_id, toolbox.overlord_client, http, toolbox.clock, timeout_s=timeout_s, max_attempts=retries + 1
        )
        return cls(chat, toolbox.json)

    def report(self, report: SubTaskReport) -> None:
        """Hand in what was done; the same report may be sent again."""
        self.chat.request("POST", "report", json=report, smile=True)

    def allocate(self, request: SegmentAllocationRequest) -> SegmentIdWithShardSpec:
        """A segment id under the supervisor task's lock; the same request gets the same id again."""
        answer = self.chat.request("POST", "segment/allocate", json=request, smile=True)
        # labelled as Smile, but JSON
        allocated: SegmentIdWithShardSpec = self.json.loads(answer.body, SegmentIdWithShardSpec)
        return allocated
