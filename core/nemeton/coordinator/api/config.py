"""``/druid/coordinator/v1/config``: the settings that change at run time."""

from __future__ import annotations

from typing import Any

from nemeton.common.errors import DruidException
from nemeton.coordinator.config import DYNAMIC_CONFIG_KEY, CoordinatorDynamicConfig
from nemeton.coordinator.coordinator import DruidCoordinator
from nemeton.json import Json
from nemeton.metadata.audit import AuditManager
from nemeton.metadata.audit_requests import audit_info, history_answer
from nemeton.metadata.dynamic_config import ConfigManager
from nemeton.spi.http import MalformedBodyError, Request, Resource, Response, config_read, config_write, route

BASE = "/druid/coordinator/v1/config"


class CoordinatorDynamicConfigsResource(Resource):
    """Druid's class of the same name."""

    def __init__(self, config: ConfigManager, audit: AuditManager, coordinator: DruidCoordinator, json: Json) -> None:
        """All are this role's."""
        self._config = config
        self._audit = audit
        self._coordinator = coordinator
        self._json = json

    @route("GET", BASE, access=config_read)
    def get(self, request: Request) -> CoordinatorDynamicConfig:
        """The settings."""
        return self._coordinator.dynamic_config

    @route("POST", BASE, access=config_write)
    def set(self, request: Request) -> Response:
        """Change the settings that are given; the others stay."""
        given: dict[str, Any] = request.json(dict[str, Any])
        merged = {**self._json.unstructure(self._coordinator.dynamic_config), **given}
        try:
            config = self._json.structure(merged, CoordinatorDynamicConfig)
        except DruidException as failure:
            raise MalformedBodyError(failure.message, syntax=False) from failure
        self._config.set(DYNAMIC_CONFIG_KEY, config, audit_info(request))
        self._coordinator.nudge()
        return Response(200)

    @route("GET", f"{BASE}/history", access=config_read)
    def history(self, request: Request) -> Any:
        """Changes of the settings."""
        return history_answer(request, self._audit, DYNAMIC_CONFIG_KEY, DYNAMIC_CONFIG_KEY)
