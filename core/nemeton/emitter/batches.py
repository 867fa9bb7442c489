"""Events gathered into one request body, and the queue of bodies that wait to be sent."""

from __future__ import annotations

import enum
from collections import deque

from attrs import define, field


class BatchingStrategy(enum.StrEnum):
    """How the events of a batch follow each other: a JSON array, one per line, or with nothing between them."""

    ARRAY = "ARRAY"
    NEWLINES = "NEWLINES"
    ONLY_EVENTS = "ONLY_EVENTS"

    def body_of(self, events: list[bytes]) -> bytes:
        """The body, byte for byte as Druid's."""
        if self is BatchingStrategy.ARRAY:
            return b"[" + b",".join(events) + b"]\n"
        if self is BatchingStrategy.NEWLINES:
            return b"\n".join(events) + b"\n"
        return b"".join(events)


_FRAME_BYTES = 3
"""What a body has beyond its events and one byte between two of them, at most."""


@define
class Batch:
    """Events that go out together."""

    began: float
    """When the first one came, on the monotonic clock."""
    events: list[bytes] = field(factory=list)
    size: int = _FRAME_BYTES
    filled_s: float = 0.0
    """How long it took to fill."""

    def add(self, event: bytes) -> None:
        """Append one."""
        self.events.append(event)
        self.size += len(event) + 1


class BatchQueue:
    """Batches in order: one that fills, and those that wait. Not thread-safe; its owner locks.

    ``max_batches`` bounds those that wait: the oldest is dropped for a new one, and counted.
    """

    def __init__(self, max_events: int, max_bytes: int, max_batches: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._max_batches = max_batches
        self._waiting: deque[Batch] = deque()
        self._filling: Batch | None = None
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def events(self) -> int:
        """How many events wait or fill."""
        filling = len(self._filling.events) if self._filling is not None else 0
        return filling + sum(len(batch.events) for batch in self._waiting)

    @property
    def filling_since(self) -> float | None:
        """When the batch that fills began; None when there is none."""
        return self._filling.began if self._filling is not None else None

    def fits(self, event: bytes) -> bool:
        """Whether the event can be in any batch."""
        return len(event) + _FRAME_BYTES + 1 <= self._max_bytes

    def add(self, event: bytes, now: float) -> bool:
        """Take an event that fits; whether a batch waits now that did not before."""
        sealed = False
        if self._filling is not None and self._filling.size + len(event) + 1 > self._max_bytes:
            self.seal(now)
            sealed = True
        if self._filling is None:
            self._filling = Batch(now)
        self._filling.add(event)
        if len(self._filling.events) >= self._max_events:
            self.seal(now)
            sealed = True
        return sealed

    def seal(self, now: float) -> None:
        """Let the batch that fills wait to be sent."""
        batch, self._filling = self._filling, None
        if batch is None:
            return
        if len(self._waiting) >= self._max_batches:
            self._waiting.popleft()
            self.dropped += 1
        batch.filled_s = now - batch.began
        self._waiting.append(batch)

    def oldest(self) -> Batch | None:
        """The one to send next; it stays until it is `done`."""
        return self._waiting[0] if self._waiting else None

    def done(self, batch: Batch) -> None:
        """Forget a batch, if it was not dropped meanwhile."""
        if self._waiting and self._waiting[0] is batch:
            self._waiting.popleft()

    def drop_all(self) -> int:
        """Forget everything; how many events that were."""
        lost = self.events
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._filling = None
        return lost
