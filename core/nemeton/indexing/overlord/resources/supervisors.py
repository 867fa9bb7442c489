"""``/druid/indexer/v1/supervisor``: what there is to see while this Overlord has no kind of supervisor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from nemeton.indexing.overlord.resources.common import error, text
from nemeton.spi.http import Request, Resource, Response, in_handler, route

_Handler = TypeVar("_Handler", bound=Callable[..., Any])

_BASE = "/druid/indexer/v1/supervisor"
_OF_ONE = ("status", "health", "stats", "parseErrors")
_COMMANDS = ("resume", "suspend", "shutdown", "terminate", "reset", "resetOffsets", "taskGroups/handoff")


def _routes_of_one(method: str, suffixes: tuple[str, ...]) -> Callable[[_Handler], _Handler]:
    """Declare a handler for each of the paths below a supervisor."""

    def mark(handler: _Handler) -> _Handler:
        for suffix in suffixes:
            handler = route(method, f"{_BASE}/{{id}}/{suffix}", access=in_handler, produces=None)(handler)
        return handler

    return mark


class SupervisorResource(Resource):
    """The supervisors of an Overlord without any: there are none, and none of any name (Druid: SupervisorResource).

    To submit one is not possible: no kind of supervisor is known yet, and the path takes no POST (405).
    """

    @route("GET", _BASE, access=in_handler)
    def all_supervisors(self, request: Request) -> Any:
        """The ids, or the supervisors themselves (``full``, ``state``, ``system``)."""
        request.authorize()
        return []

    @route("GET", f"{_BASE}/history", access=in_handler)
    def all_history(self, request: Request) -> Any:
        """The specifications that supervisors have had, by id."""
        request.authorize()
        return {}

    @route("GET", f"{_BASE}/{{id}}/history", access=in_handler)
    def history(self, request: Request) -> Any:
        """The specifications that a supervisor has had."""
        request.authorize()
        return error(404, f"No history for [{request.path_params['id']}].")

    @_routes_of_one("GET", _OF_ONE)
    @_routes_of_one("POST", _COMMANDS)
    @route("GET", f"{_BASE}/{{id}}", access=in_handler, produces=None)
    def one(self, request: Request) -> Response:
        """One supervisor, and what can be asked of it or done to it."""
        request.authorize()
        return text(404, f"Cannot find any supervisor with id: [{request.path_params['id']}]")
