"""Provisioning: who starts workers when tasks wait, and ends them when they idle.

A :class:`ProvisioningStrategy` (``druid.indexer.autoscale.strategy.type``) decides how many workers there should be. An
:class:`AutoScaler` (``autoScaler`` of the worker configuration) makes and unmakes machines, processes or pods, which it
calls *nodes* and knows by ids of its own.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from nemeton.json import wire
from nemeton.plugins import extension_point

if TYPE_CHECKING:
    from nemeton.common.clock import Clock
    from nemeton.model import Worker
    from nemeton.spi.runners import ImmutableWorkerInfo, WorkerTaskRunner

_MOST_EVENTS = 10_000


@frozen
class AutoScalingData:
    """The nodes that an autoscaler began to make or to unmake."""

    node_ids: list[str]


@extension_point(hook="autoscalers", name="autoscaler", default="noop")
class AutoScaler(ABC):
    """Makes and unmakes nodes with workers on them. Subclasses are frozen attrs classes: their fields are the JSON.

    Called on one thread of the leading Overlord at a time, and by HTTP threads for :attr:`max_num_workers`. The object
    is made anew when the worker configuration changes: what it has started is kept elsewhere (by the provider of the
    nodes, or in a singleton that an injected field gives). A call begins the work and does not wait for its end.
    """

    if TYPE_CHECKING:  # subclasses have fields or properties of these names

        @property
        def min_num_workers(self) -> int:
            """How many workers there are at least."""

        @property
        def max_num_workers(self) -> int:
            """How many workers there are at most."""

    @abstractmethod
    def provision(self) -> AutoScalingData | None:
        """Begin to make nodes, one or more. None or no ids: nothing could be made; it is tried again next time."""

    @abstractmethod
    def terminate(self, addresses: Sequence[str]) -> AutoScalingData | None:
        """Begin to unmake the nodes of these workers, given as :meth:`address_of` spells them. None: nothing done."""

    @abstractmethod
    def terminate_with_ids(self, ids: Sequence[str]) -> AutoScalingData | None:
        """Begin to unmake nodes, of which some may never have become workers; unknown ids are fine."""

    @abstractmethod
    def ip_to_id_lookup(self, addresses: Sequence[str]) -> list[str]:
        """Return the ids of the nodes with these workers; addresses that are not its own are left out."""

    def id_to_ip_lookup(self, ids: Sequence[str]) -> list[str]:
        """Return the addresses of the workers on these nodes. Nobody asks so far, in Druid neither."""
        raise NotImplementedError(f"{type(self).__name__} looks up no addresses")

    def address_of(self, worker: Worker) -> str:
        """How this autoscaler tells workers apart: by IP address, as all of Druid's do; override for ``host:port``."""
        return worker.ip


class ScalingEventType(Enum):
    """What was begun."""

    PROVISION = "PROVISION"
    TERMINATE = "TERMINATE"


@frozen
class ScalingEvent:
    """Something that an autoscaler did, as ``GET /druid/indexer/v1/scaling`` shows it."""

    data: AutoScalingData
    timestamp: int = field(metadata=wire(as_datetime=True))
    event: ScalingEventType


class ScalingStats:
    """The latest events of a provisioning service; in JSON a list, newest first. Thread-safe."""

    def __init__(self, capacity: int, clock: Clock) -> None:
        """``capacity`` is how many events are kept; 0 stands for all, as in Druid, up to 10,000."""
        self._events: deque[ScalingEvent] = deque(maxlen=capacity or _MOST_EVENTS)
        self._clock = clock
        self._lock = threading.Lock()

    def add_provision_event(self, data: AutoScalingData) -> None:
        """Note that nodes are being made."""
        self._add(data, ScalingEventType.PROVISION)

    def add_terminate_event(self, data: AutoScalingData) -> None:
        """Note that nodes are being unmade."""
        self._add(data, ScalingEventType.TERMINATE)

    def _add(self, data: AutoScalingData, event: ScalingEventType) -> None:
        with self._lock:
            self._events.appendleft(ScalingEvent(data, self._clock.now(), event))

    def to_list(self) -> list[ScalingEvent]:
        """The events, newest first."""
        with self._lock:
            return list(self._events)

    def to_json(self) -> Any:
        """The events, newest first."""
        return self.to_list()


class ProvisioningService(ABC):
    """A strategy at work for one runner: made when the runner starts, closed when it stops."""

    @abstractmethod
    def close(self) -> None:
        """Stop deciding, within a bound. Workers stay as they are."""

    def stats(self) -> ScalingStats | None:
        """What was done lately; None when there is nothing to tell of."""
        return None


@extension_point(hook="provisioning_strategies", name="provisioning strategy", default="noop")
class ProvisioningStrategy(ABC):
    """Decides when to make and to unmake workers; made by the injector, and asked only if ``doAutoscale`` is true."""

    @abstractmethod
    def make_provisioning_service(self, runner: WorkerTaskRunner) -> ProvisioningService:
        """Begin to provision for the runner, which calls this when it starts and knows its workers.

        What it uses of the runner: ``get_workers``, ``get_lazy_workers``, ``mark_workers_lazy``, ``get_pending_tasks``
        and ``get_pending_task_payloads``.
        """

    def expected_worker_capacity(self, workers: Collection[ImmutableWorkerInfo]) -> int:
        """How many slots a new worker is reckoned to have; -1 when the strategy does not know."""
        return -1
