"""Pushes the metrics of a process to a Pushgateway, for tasks that end before Prometheus would see them."""

from __future__ import annotations

import logging
import threading

from prometheus_client import delete_from_gateway, push_to_gateway

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton_prometheus_emitter.metrics import Metrics

DEFAULT_PERIOD_S = 15
TIMEOUT_S = 3.0
log = logging.getLogger(__name__)


class Pushing:
    """Pushes every period and at the end. The group is ``{namespace: task or host}``, the job the namespace."""

    def __init__(self, address: str, namespace: str, metrics: Metrics, period_s: float, clock: Clock) -> None:
        """Begin; nothing is pushed before `identify`."""
        self._address = address
        self._namespace = namespace
        self._metrics = metrics
        self._identifier: str | None = None
        self._pushing = threading.Lock()
        self._timer = ScheduledExecutor("prometheus-pushgateway", clock)
        self._timer.schedule_with_fixed_delay(self.push, period_s, period_s)

    def identify(self, identifier: str) -> None:
        """Say whose metrics they are."""
        self._identifier = identifier

    def push(self) -> None:
        """Push now. A gateway that does not answer is logged; the next push brings what this one did not."""
        if self._identifier is None:
            return
        group = {self._namespace: self._identifier}
        try:
            with self._pushing:
                push_to_gateway(self._address, self._namespace, self._metrics.registry, group, TIMEOUT_S)
        except OSError as e:
            log.error("Metrics cannot be pushed to [%s]: %s", self._address, e)

    def delete(self) -> None:
        """Take the group away from the gateway, which keeps it for ever otherwise."""
        if self._identifier is None:
            return
        try:
            delete_from_gateway(self._address, self._namespace, {self._namespace: self._identifier}, TIMEOUT_S)
        except OSError as e:
            log.error("Metrics cannot be deleted from [%s]: %s", self._address, e)

    def close(self) -> None:
        """Push for the last time."""
        self._timer.shutdown(TIMEOUT_S)
        self.push()
