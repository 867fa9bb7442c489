"""``/druid/historical/v1``: whether the cache is loaded."""

from __future__ import annotations

from nemeton.dataserver.load_drop import SegmentLoadDropHandler
from nemeton.spi.http import Request, Resource, Response, route, state_read, unsecured


class HistoricalResource(Resource):
    """Druid's class of the same name."""

    def __init__(self, handler: SegmentLoadDropHandler) -> None:
        """The handler knows when it has loaded the cache."""
        self._handler = handler

    @route("GET", "/druid/historical/v1/loadstatus", access=state_read)
    def load_status(self, request: Request) -> dict[str, bool]:
        """Whether all segments found in the cache at the start are served."""
        return {"cacheInitialized": self._handler.is_started}

    @route("GET", "/druid/historical/v1/readiness", access=unsecured, produces=None)
    def readiness(self, request: Request) -> Response:
        """200 when the cache is loaded, otherwise 503."""
        return Response(200 if self._handler.is_started else 503)
