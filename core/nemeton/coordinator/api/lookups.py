"""``/druid/coordinator/v1/lookups``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nemeton.common.errors import DruidException
from nemeton.coordinator.lookups import LookupCoordinatorManager, Tier, Tiers
from nemeton.lookups.state import AnyLookupsState, LookupExtractorFactoryMapContainer, LookupsState
from nemeton.metadata.audit_requests import audit_info
from nemeton.spi.http import (
    JSON,
    SMILE,
    MalformedBodyError,
    Request,
    Resource,
    Response,
    config_read,
    config_write,
    route,
)

BASE = "/druid/coordinator/v1/lookups"
CONFIG = f"{BASE}/config"
STATUS = f"{BASE}/status"
NODE_STATUS = f"{BASE}/nodeStatus"

_FORMS = (JSON, SMILE)
_TIER = "{tier}"
_LOOKUP = "{tier}/{lookup}"


def _body(request: Request, cls: Any) -> Any:
    """The body; what is no JSON at all is the caller's fault here, too (400)."""
    try:
        return request.json(cls)
    except MalformedBodyError as failure:
        raise MalformedBodyError(failure.message, syntax=False) from failure


def _no(message: str, status: int = 404) -> Response:
    return Response(status, json={"error": message})


def _nothing(status: int) -> Response:
    return Response(status, media_type=JSON)


class LookupCoordinatorResource(Resource):
    """The configuration of lookups (part of Druid's class of the same name)."""

    def __init__(self, manager: LookupCoordinatorManager) -> None:
        self._manager = manager

    # ---- reading

    @route("GET", CONFIG, access=config_read, produces=_FORMS)
    def tiers(self, request: Request) -> Any:
        """The tiers that have lookups; with ``discover=true`` also those that nodes are in."""
        known = self._manager.known_lookups
        if _flag(request, "discover"):
            return sorted({*self._manager.discover_tiers(), *(known or {})})
        return _nothing(404) if known is None else list(known)

    @route("GET", f"{CONFIG}/all", access=config_read)
    def all_specs(self, request: Request) -> Any:
        """All lookups of all tiers."""
        known = self._manager.known_lookups
        return _nothing(404) if known is None else known

    @route("GET", f"{CONFIG}/{_TIER}", access=config_read, produces=_FORMS)
    def tier(self, request: Request) -> Any:
        """The names of a tier's lookups; with ``detailed=true`` all of them."""
        tier, known = request.path_params["tier"], self._manager.known_lookups
        if known is None:
            return _no("No lookups found")
        if tier not in known:
            return _no(f"Tier [{tier}] not found")
        return known[tier] if _flag(request, "detailed") else list(known[tier])

    @route("GET", f"{CONFIG}/{_LOOKUP}", access=config_read, produces=_FORMS)
    def lookup(self, request: Request) -> Any:
        """One lookup."""
        name = request.path_params["lookup"]
        found = self._manager.get_lookup(request.path_params["tier"], name)
        return _no(f"lookup [{name}] not found") if found is None else found

    # ---- changing

    @route("POST", CONFIG, access=config_write, produces=_FORMS)
    def update_all(self, request: Request) -> Response:
        """Add and replace lookups of many tiers; others stay. An empty object initialises."""
        given: Tiers = _body(request, Tiers)
        answer = Response(202, json=given)
        return self._changed(lambda: self._manager.update_lookups(given, audit_info(request)), answer)

    @route("POST", f"{CONFIG}/{_LOOKUP}", access=config_write, produces=_FORMS)
    def update(self, request: Request) -> Response:
        """Add or replace one lookup."""
        given: LookupExtractorFactoryMapContainer = _body(request, LookupExtractorFactoryMapContainer)
        tier, name = request.path_params["tier"], request.path_params["lookup"]
        return self._changed(
            lambda: self._manager.update_lookups({tier: {name: given}}, audit_info(request)), _nothing(202)
        )

    @route("DELETE", f"{CONFIG}/{_TIER}", access=config_write, produces=_FORMS)
    def delete_tier(self, request: Request) -> Response:
        """Forget all lookups of a tier."""
        is_gone = self._manager.delete_tier(request.path_params["tier"], audit_info(request))
        return _nothing(202 if is_gone else 404)

    @route("DELETE", f"{CONFIG}/{_LOOKUP}", access=config_write, produces=_FORMS)
    def delete(self, request: Request) -> Response:
        """Forget one lookup."""
        tier, name = request.path_params["tier"], request.path_params["lookup"]
        return _nothing(202 if self._manager.delete_lookup(tier, name, audit_info(request)) else 404)

    @staticmethod
    def _changed(change: Any, answer: Response) -> Response:
        """The answer to a change; Druid blames itself for one that it refuses."""
        try:
            change()
        except DruidException as failure:
            return _no(failure.message, 500)
        return answer


class LookupStatusResource(Resource):
    """How far the lookups have come to the nodes (the other part of Druid's LookupCoordinatorResource)."""

    def __init__(self, manager: LookupCoordinatorManager) -> None:
        self._manager = manager

    @route("GET", STATUS, access=config_read)
    def all_status(self, request: Request) -> Any:
        """Of all lookups, whether all nodes have them; with ``detailed=true``, which have not."""
        known = self._manager.known_lookups
        if known is None:
            return _no("No lookups found")
        return {tier: self._tier_status(tier, lookups, request) for tier, lookups in known.items()}

    @route("GET", f"{STATUS}/{_TIER}", access=config_read)
    def tier_status(self, request: Request) -> Any:
        """The same of one tier."""
        lookups = self._known_tier(request)
        return lookups if isinstance(lookups, Response) else self._tier_status(self._tier(request), lookups, request)

    @route("GET", f"{STATUS}/{_LOOKUP}", access=config_read)
    def lookup_status(self, request: Request) -> Any:
        """The same of one lookup."""
        lookups, name = self._known_tier(request), request.path_params["lookup"]
        if isinstance(lookups, Response):
            return lookups
        if name not in lookups:
            return _no(f"Lookup [{name}] not found for tier [{self._tier(request)}].")
        return self._tier_status(self._tier(request), {name: lookups[name]}, request)[name]

    def _known_tier(self, request: Request) -> Tier | Response:
        known = self._manager.known_lookups
        if known is None:
            return _no("No lookups found")
        found = known.get(self._tier(request))
        return _no(f"No lookups found for tier [{self._tier(request)}].") if found is None else found

    @staticmethod
    def _tier(request: Request) -> str:
        return request.path_params["tier"]

    def _tier_status(self, tier: str, lookups: Tier, request: Request) -> dict[str, Any]:
        nodes, states = self._manager.nodes_in_tier(tier), self._manager.last_known_states
        is_detailed = _flag(request, "detailed")
        return {name: _status(name, each, nodes, states, is_detailed) for name, each in lookups.items()}

    # ---- by node

    @route("GET", NODE_STATUS, access=config_read)
    def all_nodes(self, request: Request) -> Any:
        """By tier and node, the lookups loaded, being loaded and being dropped; ``detailed=false``: versions only."""
        tiers: Iterable[str] | None = self._manager.known_lookups
        if _flag(request, "discover"):
            tiers = self._manager.discover_tiers()
        if tiers is None:
            return _no("No lookups configured.")
        is_full = request.query("detailed") is None or _flag(request, "detailed")
        return {tier: self._nodes(tier, is_full) for tier in tiers}

    @route("GET", f"{NODE_STATUS}/{_TIER}", access=config_read)
    def nodes_of_tier(self, request: Request) -> Any:
        """The same of one tier."""
        return self._nodes(self._tier(request), is_full=True)

    @route("GET", f"{NODE_STATUS}/{_TIER}/{{hostAndPort}}", access=config_read)
    def node(self, request: Request) -> Any:
        """The same of one node."""
        name = request.path_params["hostAndPort"]
        state = self._manager.last_known_states.get(name)
        return _no(f"Node [{name}] status is unknown.") if state is None else state

    def _nodes(self, tier: str, is_full: bool) -> dict[str, Any]:
        states = self._manager.last_known_states
        nodes = {name: states.get(name, LookupsState()) for name in self._manager.nodes_in_tier(tier)}
        return dict(nodes) if is_full else {name: _versions(state) for name, state in nodes.items()}


def _flag(request: Request, name: str) -> bool:
    return request.query(name, "").lower() == "true"


def _status(
    name: str,
    lookup: LookupExtractorFactoryMapContainer,
    nodes: Sequence[str],
    states: Mapping[str, LookupsState],
    is_detailed: bool,
) -> dict[str, Any]:
    def is_pending(node: str) -> bool:
        state = states.get(node)
        there = None if state is None else state.current.get(name)
        return there is None or lookup.replaces(there)

    pending = [node for node in nodes if is_pending(node)]
    return {"loaded": not pending, **({"pendingNodes": pending} if is_detailed else {})}


def _versions(state: LookupsState) -> AnyLookupsState:
    def only(lookups: Mapping[str, LookupExtractorFactoryMapContainer]) -> dict[str, Any]:
        return {name: each.version for name, each in lookups.items()}

    return AnyLookupsState(only(state.current), only(state.to_load), state.to_drop)
