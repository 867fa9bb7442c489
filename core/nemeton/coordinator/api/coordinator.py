"""``/druid/coordinator/v1``: leader, load status, load queues, duties (Druid's CoordinatorResource)."""

from __future__ import annotations

from typing import Any

from nemeton.coordinator.coordinator import DruidCoordinator
from nemeton.coordinator.load_queue import queue_summary
from nemeton.coordinator.status import ReplicationStatus
from nemeton.spi.http import Request, Resource, Response, route, state_read, unsecured

BASE = "/druid/coordinator/v1"


class CoordinatorResource(Resource):
    """Druid's class of the same name."""

    def __init__(self, coordinator: DruidCoordinator, status: ReplicationStatus) -> None:
        """Both are this role's."""
        self._coordinator = coordinator
        self._status = status

    @route("GET", f"{BASE}/leader", access=state_read)
    def leader(self, request: Request) -> Response:
        """The leader's base URL; 503 while there is none."""
        leader = self._coordinator.current_leader
        return Response(503) if leader is None else Response(body=leader)

    @route("GET", f"{BASE}/isLeader", access=unsecured)
    def is_leader(self, request: Request) -> Response:
        """Whether this one leads; 404 when it does not, for load balancers."""
        leading = self._coordinator.is_leader
        return Response(200 if leading else 404, json={"leader": leading})

    @route("GET", f"{BASE}/loadstatus", access=state_read)
    def load_status(self, request: Request) -> Any:
        """Percent served by data source; ``simple``: segments not served; ``full``: copies missing by tier."""
        if request.has_query("simple"):
            return self._status.unavailable()
        if request.has_query("full"):
            return self._status.under_replicated(using_cluster_view=request.has_query("computeUsingClusterView"))
        return self._status.percent_loaded()

    @route("GET", f"{BASE}/loadqueue", access=state_read)
    def load_queue(self, request: Request) -> Any:
        """What each data server was asked for and has not done."""
        states = {name: peon.state() for name, peon in self._coordinator.peons().items()}
        if request.has_query("simple"):
            return {name: queue_summary(state) for name, state in states.items()}
        full = request.has_query("full")
        return {
            name: {
                "segmentsToLoad": list(state.loading.values()) if full else [str(key) for key in state.loading],
                "segmentsToDrop": list(state.dropping.values()) if full else [str(key) for key in state.dropping],
            }
            for name, state in states.items()
        }

    @route("GET", f"{BASE}/duties", access=state_read)
    def duties(self, request: Request) -> Any:
        """The groups of duties and their runs."""
        return {"dutyGroups": [group.status() for group in self._coordinator.duty_groups]}
