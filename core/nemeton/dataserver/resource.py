"""``/druid-internal/v1/segments``: the list of segments served, and requests to load and drop."""

from __future__ import annotations

import asyncio
from typing import Any

from nemeton.common.errors import invalid_input
from nemeton.dataserver.announcer import DataSegmentAnnouncer
from nemeton.dataserver.change_requests import PENDING, ChangeResponse, DataSegmentChangeRequest
from nemeton.dataserver.load_drop import SegmentLoadDropHandler
from nemeton.http.change_history import Counter
from nemeton.json import Json
from nemeton.spi.http import JSON, SMILE, Request, Resource, Response, internal, route, state_read

_MAX_TIMEOUT_MS = 600_000


class SegmentListerResource(Resource):
    """What Brokers and Coordinators follow (Druid's class of the same name)."""

    def __init__(self, announcer: DataSegmentAnnouncer, handler: SegmentLoadDropHandler, json: Json) -> None:
        self._announcer = announcer
        self._handler = handler
        self._json = json

    @route("GET", "/druid-internal/v1/segments", access=state_read, produces=(JSON, SMILE), long_poll=True)
    async def segments(self, request: Request) -> Response:
        """All segments for ``counter=-1``; otherwise what changes after it; 204 when nothing does."""
        counter, timeout_s = _integer(request, "counter"), _timeout_s(request)
        if counter < 0:
            return Response(json=self._announcer.full())
        found = await self._announcer.changes_since(Counter(counter, _integer(request, "hash")), timeout_s)
        return Response(204) if found is None else Response(json=found)

    @route("GET", "/druid-internal/v1/segments/loadCapabilities", access=state_read, produces=(JSON, SMILE))
    def load_capabilities(self, request: Request) -> dict[str, int]:
        """How many segments are loaded at a time."""
        threads = self._handler.num_loading_threads
        return {"numLoadingThreads": threads, "numTurboLoadingThreads": threads}

    @route(
        "POST", "/druid-internal/v1/segments/changeRequests", access=internal, produces=(JSON, SMILE), long_poll=True
    )
    async def change_requests(self, request: Request) -> Any:
        """Do what is asked; answered when the first of the requests is done, with the status of each."""
        timeout_s = _timeout_s(request)
        requests: list[DataSegmentChangeRequest] = request.json(list[DataSegmentChangeRequest])
        if not requests:
            raise invalid_input("No change requests provided.")
        futures = await asyncio.to_thread(self._handler.submit_all, requests)
        # wait cancels nothing when it times out or its caller leaves: the loads go on
        waiting = [asyncio.wrap_future(future) for future in futures]
        done, _ = await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return Response(204)
        return [
            ChangeResponse(each, future.result() if future.done() else PENDING)
            for each, future in zip(requests, futures, strict=True)
        ]


def _integer(request: Request, name: str) -> int:
    try:
        return int(request.query(name, ""))
    except ValueError:
        raise invalid_input(f"{name}: expected a whole number") from None


def _timeout_s(request: Request) -> float:
    timeout = _integer(request, "timeout")
    if timeout <= 0:
        raise invalid_input("timeout must be positive.")
    return min(timeout, _MAX_TIMEOUT_MS) / 1000
