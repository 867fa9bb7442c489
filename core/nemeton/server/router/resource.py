"""What the Router answers: other services' paths, its own view of the Brokers, and a page for humans."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nemeton.common.errors import DruidException, QueryException
from nemeton.model import DruidNode, NodeRole
from nemeton.server.router.brokers import BrokerSelector
from nemeton.server.router.landing import landing_page
from nemeton.server.router.proxy import ReverseProxy
from nemeton.spi.discovery import DruidNodeDiscoveryProvider
from nemeton.spi.http import Request, Resource, Response, StreamingResponse, forwarded, route, state_read

Answer = Response | StreamingResponse

_NO_BROKERS = "There are no available brokers. Please check that your brokers are running and healthy."


class QueryProxyResource(Resource):
    """``/druid/v2`` and below, passed on to a Broker (Druid's AsyncQueryForwardingServlet)."""

    def __init__(self, brokers: BrokerSelector, proxy: ReverseProxy, node: DruidNode) -> None:
        self._brokers = brokers
        self._proxy = proxy
        self._node = node

    @route("*", "/druid/v2", access=forwarded, produces=None, stream_body=True, has_deadline=False)
    async def root(self, request: Request) -> Answer:
        """A native query, to a Broker."""
        return await self._forward(request)

    @route("*", "/druid/v2/{rest:path}", access=forwarded, produces=None, stream_body=True, has_deadline=False)
    async def below(self, request: Request) -> Answer:
        """SQL, candidates, data sources, cancelling."""
        return await self._forward(request)

    async def _forward(self, request: Request) -> Answer:
        brokers = self._brokers.in_turn()
        if not brokers:
            raise QueryException(QueryException.UNKNOWN, _NO_BROKERS, host=self._node.host_and_port_to_use)
        if request.method == "DELETE":
            # one of the Brokers runs the query, and nobody here knows which
            return await self._cancel_everywhere(request, brokers)
        return await self._proxy.forward(request, brokers, _target(request))

    async def _cancel_everywhere(self, request: Request, brokers: list[str]) -> Answer:
        """Tell all Brokers; the answer is the first one's that has one, preferably one that knew the query."""
        answers = await asyncio.gather(*(self._cancel(request, broker) for broker in brokers))
        return min(answers, key=lambda answer: answer.status)

    async def _cancel(self, request: Request, broker: str) -> Response:
        try:
            answer = await self._proxy.forward(request, [broker], _target(request), with_body=False)
            return await self._proxy.whole(answer)
        except DruidException as failure:
            return Response(failure.http_status, json=failure.to_json())


class ManagementProxyResource(Resource):
    """The APIs of Coordinator and Overlord, passed on to their leaders (Druid's AsyncManagementForwardingServlet)."""

    def __init__(
        self, proxy: ReverseProxy, coordinator: Callable[[], str | None], overlord: Callable[[], str | None]
    ) -> None:
        self._proxy = proxy
        self._coordinator = coordinator
        self._overlord = overlord

    @route("*", "/druid/coordinator/{rest:path}", access=forwarded, produces=None, stream_body=True, has_deadline=False)
    async def coordinator_api(self, request: Request) -> Answer:
        """The Coordinator's API."""
        return await self._forward(request, self._coordinator(), _target(request))

    @route("*", "/druid/indexer/{rest:path}", access=forwarded, produces=None, stream_body=True, has_deadline=False)
    async def overlord_api(self, request: Request) -> Answer:
        """The Overlord's API."""
        return await self._forward(request, self._overlord(), _target(request))

    @route("*", "/proxy/coordinator/{rest:path}", access=forwarded, produces=None, stream_body=True, has_deadline=False)
    async def any_of_coordinator(self, request: Request) -> Answer:
        """Any path of the Coordinator."""
        return await self._forward(request, self._coordinator(), _target(request, "/proxy/coordinator"))

    @route("*", "/proxy/overlord/{rest:path}", access=forwarded, produces=None, stream_body=True, has_deadline=False)
    async def any_of_overlord(self, request: Request) -> Answer:
        """Any path of the Overlord."""
        return await self._forward(request, self._overlord(), _target(request, "/proxy/overlord"))

    @route("GET", "/proxy/enabled", access=forwarded, produces=None)
    async def enabled(self, request: Request) -> Answer:
        """Whether this Router passes on to Coordinator and Overlord."""
        return Response(json={"enabled": True})

    @route("*", "/proxy/{rest:path}", access=forwarded, produces=None)
    async def unknown(self, request: Request) -> Answer:
        """Other destinations."""
        return Response(400, json={"error": f"Unsupported proxy destination[{request.path}]"})

    async def _forward(self, request: Request, leader: str | None, target: str) -> Answer:
        if not leader:
            message = f"Unable to determine destination[{request.path}]; is your coordinator/overlord running?"
            return Response(503, json={"error": message})
        return await self._proxy.forward(request, [leader], target)


class RouterResource(Resource):
    """``/druid/router/v1`` and the page at ``/``."""

    def __init__(self, brokers: BrokerSelector, provider: DruidNodeDiscoveryProvider) -> None:
        self._brokers = brokers
        self._provider = provider

    @route("GET", "/druid/router/v1/brokers", access=state_read)
    async def brokers(self, request: Request) -> dict[str, list[str]]:
        """The Brokers, ``host:port`` by service."""
        return self._brokers.by_service()

    @route("GET", "/", access=state_read, produces=None)
    def landing(self, request: Request) -> Response:
        """Which services there are, for humans."""
        nodes = {
            role: sorted({node.druid_node.service_url for node in self._provider.get_for_node_role(role).all_nodes()})
            for role in NodeRole.built_in()
        }
        return Response(body=landing_page(nodes), media_type="text/html;charset=utf-8")


def _target(request: Request, prefix: str = "") -> str:
    """Path and query as they came, percent-encoding and all."""
    return request.raw_path.removeprefix(prefix) + (f"?{request.query_string}" if request.query_string else "")
