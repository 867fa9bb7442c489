"""Who leads. Answered by every Overlord itself."""

from __future__ import annotations

from nemeton.indexing.overlord.master import TaskMaster
from nemeton.spi.http import Request, Resource, Response, route, state_read, unsecured


class OverlordLeaderResource(Resource):
    """``/druid/indexer/v1/leader`` and ``isLeader``."""

    def __init__(self, master: TaskMaster) -> None:
        self._master = master

    @route("GET", "/druid/indexer/v1/leader", access=state_read)
    def leader(self, request: Request) -> object:
        """The leader's base URL as text; empty while nobody leads."""
        return Response(200, body=self._master.current_leader or "", media_type="application/json")

    @route("GET", "/druid/indexer/v1/isLeader", access=unsecured)
    def is_leader(self, request: Request) -> object:
        """200 on the leader, 404 elsewhere: made for load balancers."""
        leading = self._master.is_leader
        return Response(200 if leading else 404, json={"leader": leading})
