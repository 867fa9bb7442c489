"""``SegmentAllocationQueue``: requests for segment ids, worked on in batches by one thread."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from attrs import define, field

from nemeton.common.clock import Clock
from nemeton.common.errors import capacity_exceeded, timeout
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.overlord.allocation import AllocateKey, AllocateRequest, SegmentAllocator
from nemeton.indexing.overlord.config import TaskLockConfig
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.overlord.master import NotLeaderError, TaskMasterMember
from nemeton.indexing.overlord.storage import OVERLORD
from nemeton.indexing.task_dims import task_dims
from nemeton.spi.indexing import Task
from nemeton.spi.metadata import IndexerMetadataStorageCoordinator, SegmentIdWithShardSpec

if TYPE_CHECKING:
    from nemeton.indexing.actions.allocation import SegmentAllocateAction

log = logging.getLogger(__name__)

MAX_BATCHES = 2000
MAX_BATCH_SIZE = 500
_IDLE_WAIT_S = 60.0
_STOP_TIMEOUT_S = 30.0
#: How long a caller waits for its answer; the HTTP client of a peon gives up at about that time.
_ANSWER_TIMEOUT_S = 280.0

Answer = Future[SegmentIdWithShardSpec | None]


@define(eq=False)
class _Batch:
    """Requests of one key, and who waits for them. ``queued`` is when the first came, by the monotonic clock."""

    key: AllocateKey
    queued: float
    requests: dict[AllocateRequest, Answer] = field(factory=dict)

    def fail(self, error: Exception) -> None:
        """Nothing comes of any of them."""
        for answer in self.requests.values():
            answer.set_exception(error)


class SegmentAllocationQueue(TaskMasterMember):
    """Gives tasks segment ids while this Overlord leads. Thread-safe.

    A request waits ``batchAllocationWaitTime`` for others that it can be answered with; then the batch is worked on,
    and put back with what is left of it when somebody has published in the meantime. With ``batchSegmentAllocation``
    false each request is answered by itself, on its caller's thread.
    """

    def __init__(
        self,
        lockbox: TaskLockbox,
        metadata: IndexerMetadataStorageCoordinator,
        config: TaskLockConfig,
        emitter: ServiceEmitter,
        clock: Clock,
    ) -> None:
        self._allocator = SegmentAllocator(
            lockbox,
            metadata.acting_for(OVERLORD),
            reduce_metadata_io=config.batch_allocation_reduce_metadata_io,
        )
        self._is_enabled = config.batch_segment_allocation
        self._wait_s = config.batch_allocation_wait_time / 1000
        self._emitter = emitter
        self._clock = clock
        self._lock = threading.Lock()
        self._batches: OrderedDict[AllocateKey, _Batch] = OrderedDict()
        self._full: list[_Batch] = []
        self._changed = threading.Event()
        self._active = False
        self._thread: threading.Thread | None = None

    # ---- lifecycle

    def start(self) -> None:
        """This Overlord leads: take requests."""
        with self._lock:
            if self._active:
                return
            self._active = True
        if self._is_enabled:
            self._thread = threading.Thread(target=self._run, name="segment-allocation", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """This Overlord leads no more: refuse what waits, and finish what is being worked on, within a bound."""
        with self._lock:
            self._active = False
            waiting = [*self._full, *self._batches.values()]
            self._full.clear()
            self._batches.clear()
            thread, self._thread = self._thread, None
        self._changed.set()
        for batch in waiting:
            batch.fail(NotLeaderError())
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_TIMEOUT_S)
            if thread.is_alive():
                log.warning("Segments are still being allocated %.0f s after the stop", _STOP_TIMEOUT_S)

    @property
    def size(self) -> int:
        """How many batches wait."""
        with self._lock:
            return len(self._full) + len(self._batches)

    # ---- asking

    def allocate(self, task: Task, action: SegmentAllocateAction) -> SegmentIdWithShardSpec | None:
        """Return a segment id, or None when there is none to be had; waits for the batch.

        Raises ``NotLeaderError``, and ``capacityExceeded`` when the queue is full.
        """
        if not self._is_enabled:
            if not self._active:
                raise NotLeaderError
            return self._allocator.allocate_one(task, action, self._clock)
        answer = self.add(task, action)
        try:
            return answer.result(_ANSWER_TIMEOUT_S)
        except TimeoutError:
            raise timeout(f"No segment was allocated within {_ANSWER_TIMEOUT_S:.0f} s") from None

    def add(self, task: Task, action: SegmentAllocateAction) -> Answer:
        """Queue a request; the future gets what :meth:`allocate` returns or raises."""
        request, answer = AllocateRequest(task, action), Answer()
        with self._lock:
            self._put(AllocateKey.of(request), {request: answer})
        self._changed.set()
        return answer

    def _put(self, key: AllocateKey, requests: dict[AllocateRequest, Answer]) -> None:
        if not self._active:
            raise NotLeaderError
        batch = self._batches.get(key)
        if batch is not None and len(batch.requests) + len(requests) > MAX_BATCH_SIZE:
            self._full.append(self._batches.pop(key))
            batch = None
        if batch is None:
            if len(self._full) + len(self._batches) >= MAX_BATCHES:
                raise capacity_exceeded(
                    "Segment allocation queue is full. Check the metric `task/action/batch/runTime` to determine if "
                    "metadata operations are slow."
                )
            batch = self._batches[key] = _Batch(key, self._clock.monotonic())
        batch.requests.update(requests)

    # ---- working

    def _run(self) -> None:
        while self._active:
            self._changed.clear()
            batch, wait_s = self._next_due()
            if batch is None:
                self._clock.wait(self._changed, wait_s)
                continue
            try:
                self._process(batch)
            except Exception as error:
                log.exception("Allocating segments for %s failed", batch.key)
                batch.fail(error)

    def _next_due(self) -> tuple[_Batch | None, float]:
        """The batch to work on now, or how long there will be none."""
        with self._lock:
            if self._full:
                return self._full.pop(0), 0.0
            if not self._batches:
                return None, _IDLE_WAIT_S
            key, batch = next(iter(self._batches.items()))
            wait_s = batch.queued + self._wait_s - self._clock.monotonic()
            if wait_s > 0:
                return None, wait_s
            del self._batches[key]
            return batch, 0.0

    def _process(self, batch: _Batch) -> None:
        begun = self._clock.monotonic()
        self._emit(batch, "size", len(batch.requests))
        self._emit(batch, "queueTime", (begun - batch.queued) * 1000)
        left = self._allocator.allocate(batch.key, list(batch.requests))
        again = {request: batch.requests.pop(request) for request in left}
        for request, answer in batch.requests.items():
            self._answer(request, answer)
        batch.requests.clear()
        self._emit(batch, "attempts", 1)
        self._emit(batch, "runTime", (self._clock.monotonic() - begun) * 1000)
        if again:
            log.info("%d requests of %s are tried again: the used segments have changed", len(again), batch.key)
            batch.requests.update(again)
            with self._lock:
                self._put(batch.key, again)
            batch.requests.clear()

    def _answer(self, request: AllocateRequest, answer: Answer) -> None:
        outcome = "success" if request.is_done else "failed"
        self._emitter.emit_metric(
            f"task/action/{outcome}/count", 1, taskActionType="segmentAllocate", **task_dims(request.task)
        )
        if request.error is not None and not request.is_done:
            answer.set_exception(request.error)
        else:
            if request.loss is not None and not request.is_done:
                log.info("No segment for task [%s]: %s", request.task.id, request.loss)
            answer.set_result(request.segment_id)

    def _emit(self, batch: _Batch, name: str, value: float) -> None:
        dims: dict[str, Any] = {
            "taskActionType": "segmentAllocate",
            "dataSource": batch.key.data_source,
            "interval": str(batch.key.interval),
        }
        self._emitter.emit_metric(f"task/action/batch/{name}", value, **dims)
