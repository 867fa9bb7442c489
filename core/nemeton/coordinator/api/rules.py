"""``/druid/coordinator/v1/rules``."""

from __future__ import annotations

from typing import Any

from nemeton.coordinator.coordinator import DruidCoordinator
from nemeton.json import Json
from nemeton.metadata.audit import AuditManager
from nemeton.metadata.audit_requests import audit_info, history_answer
from nemeton.metadata.rules import MetadataRuleManager
from nemeton.spi.coordinator import Rule
from nemeton.spi.http import Request, Resource, Response, datasource_read, datasource_write, route, state_read

BASE = "/druid/coordinator/v1/rules"


class RulesResource(Resource):
    """Load and drop rules by data source (Druid's class of the same name)."""

    def __init__(
        self, rules: MetadataRuleManager, audit: AuditManager, coordinator: DruidCoordinator, json: Json
    ) -> None:
        self._rules = rules
        self._audit = audit
        self._coordinator = coordinator
        self._json = json

    @route("GET", BASE, access=state_read)
    def all_rules(self, request: Request) -> Any:
        """The rules of all data sources that have any."""
        return self._rules.get_all_rules()

    @route("GET", f"{BASE}/history", access=state_read)
    def all_history(self, request: Request) -> Any:
        """Who changed the rules of which data source, within ``interval`` or the last ``count`` times."""
        return history_answer(request, self._audit, "rules")

    @route("GET", f"{BASE}/{{dataSource}}", access=datasource_read("dataSource"))
    def rules(self, request: Request) -> Any:
        """The rules of a data source; with ``full`` followed by the default ones."""
        name = request.path_params["dataSource"]
        if request.has_query("full"):
            return self._rules.get_rules_with_default(name)
        return self._rules.get_rules(name)

    @route("POST", f"{BASE}/{{dataSource}}", access=datasource_write("dataSource"))
    def set_rules(self, request: Request) -> Response:
        """Replace the rules of a data source."""
        name = request.path_params["dataSource"]
        rules: list[Rule] = request.json(list[Rule])
        self._rules.override_rules(name, self._json.unstructure(rules), audit_info(request))
        self._coordinator.nudge()
        return Response(200)

    @route("GET", f"{BASE}/{{dataSource}}/history", access=datasource_read("dataSource"))
    def history(self, request: Request) -> Any:
        """Changes of a data source's rules."""
        name = request.path_params["dataSource"]
        return history_answer(request, self._audit, "rules", name)
