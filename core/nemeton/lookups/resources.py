"""``/druid/listen/v1/lookups``, where the Coordinator says what to load, and ``/druid/v1/lookups/introspect``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.lookups.manager import LookupReferencesManager, read_specifications
from nemeton.lookups.state import AnyLookupsState, LookupExtractorFactoryContainer
from nemeton.spi.http import JSON, SMILE, Request, Resource, Response, config_read, config_write, route
from nemeton.spi.lookups import LookupExtractorFactory

LISTEN = "/druid/listen/v1/lookups"
INTROSPECT = "/druid/v1/lookups/introspect"

_FORMS = (JSON, SMILE)


class LookupListeningResource(Resource):
    """Takes lookups to load and to drop (Druid's class of the same name). Answers before they are loaded: 202."""

    def __init__(self, manager: LookupReferencesManager, json: Json) -> None:
        self._manager = manager
        self._json = json

    @route("GET", LISTEN, access=config_read, produces=_FORMS)
    def get_all(self, request: Request) -> AnyLookupsState:
        """What is loaded here, and what is under way."""
        return self._manager.state()

    @route("POST", LISTEN, access=config_write, produces=_FORMS)
    def post_all(self, request: Request) -> Response:
        """Load lookups without versions, by name."""
        given: dict[str, LookupExtractorFactory] = request.json(dict[str, LookupExtractorFactory])
        return self._load(given)

    @route("POST", f"{LISTEN}/updates", access=config_write, produces=_FORMS)
    def updates(self, request: Request) -> Response:
        """Load ``toLoad`` and drop ``toDrop``; a lookup that cannot be read is left out."""
        asked: AnyLookupsState = request.json(AnyLookupsState)
        for name, container in read_specifications(asked.to_load, self._json).items():
            self._manager.add(name, container)
        for name in sorted(asked.to_drop):
            self._manager.remove(name)
        return Response(202, json=self._manager.state())

    @route("GET", f"{LISTEN}/{{id}}", access=config_read, produces=_FORMS)
    def get(self, request: Request) -> Any:
        """A loaded lookup as it is configured."""
        return self._manager.container(request.path_params["id"]) or Response(404, media_type=JSON)

    @route("POST", f"{LISTEN}/{{id}}", access=config_write, produces=_FORMS)
    def post(self, request: Request) -> Response:
        """Load one lookup without a version."""
        factory: Any = request.json(LookupExtractorFactory)  # type: ignore[type-abstract]
        return self._load({request.path_params["id"]: factory})

    @route("DELETE", f"{LISTEN}/{{id}}", access=config_write, produces=_FORMS)
    def delete(self, request: Request) -> Response:
        """Drop a lookup."""
        name = request.path_params["id"]
        self._manager.remove(name)
        return Response(202, json=name)

    def _load(self, lookups: dict[str, LookupExtractorFactory]) -> Response:
        for name, factory in lookups.items():
            self._manager.add(name, LookupExtractorFactoryContainer(None, factory))
        return Response(202, json={"status": "accepted", "failedUpdates": {}})


class LookupIntrospectionResource(Resource):
    """Shows what is in a lookup here (Druid's class of the same name)."""

    def __init__(self, manager: LookupReferencesManager) -> None:
        self._manager = manager

    @route("GET", INTROSPECT, access=config_read)
    def none_named(self, request: Request) -> Response:
        """Refused: it takes a name."""
        return Response(405)

    @route("GET", f"{INTROSPECT}/{{lookupId}}", access=config_read)
    def entries(self, request: Request) -> Any:
        """Keys and values."""
        return self._shown(request, absent=405, show=dict)

    @route("GET", f"{INTROSPECT}/{{lookupId}}/keys", access=config_read)
    def keys(self, request: Request) -> Any:
        """The keys."""
        return self._shown(request, show=list)

    @route("GET", f"{INTROSPECT}/{{lookupId}}/values", access=config_read)
    def values(self, request: Request) -> Any:
        """The values, one for each key."""
        return self._shown(request, show=lambda entries: list(entries.values()))

    @route("GET", f"{INTROSPECT}/{{lookupId}}/version", access=config_read)
    def version(self, request: Request) -> Any:
        """The version of what is loaded, for kinds that have one."""
        container = self._manager.container(request.path_params["lookupId"])
        version = None if container is None else container.lookup_extractor_factory.version
        return Response(404) if version is None else {"version": version}

    def _shown(self, request: Request, *, show: Callable[[Mapping[str, str | None]], Any], absent: int = 404) -> Any:
        container = self._manager.container(request.path_params["lookupId"])
        if container is None:
            return Response(absent)
        try:
            entries = container.lookup_extractor_factory.get().as_map()
        except DruidException as failure:
            return Response(404, json={"error": failure.message})
        return Response(404) if entries is None else Response(200, json=show(entries))
