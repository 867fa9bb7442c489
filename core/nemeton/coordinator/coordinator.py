"""The Coordinator: while it leads, it keeps the segments of the cluster as the rules want them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException
from nemeton.coordinator.config import (
    DYNAMIC_CONFIG_KEY,
    CoordinatorDynamicConfig,
    CoordinatorPeriodConfig,
    DruidCoordinatorConfig,
    HttpLoadQueuePeonConfig,
)
from nemeton.coordinator.duties import MarkOvershadowedSegmentsAsUnused, RunRules, UnloadUnusedSegments
from nemeton.coordinator.duty_group import DutyGroup
from nemeton.coordinator.load_queue import HttpLoadQueuePeon
from nemeton.coordinator.lookups import LookupCoordinatorManager
from nemeton.coordinator.params import QueuedServer, RunParams
from nemeton.discovery.leader_services import AnnouncedService
from nemeton.emitter.service import ServiceEmitter
from nemeton.http.client import EscalatedHttpClient
from nemeton.inject import Named
from nemeton.json import Json
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.metadata.changes import SegmentChangeHub
from nemeton.metadata.dynamic_config import ConfigManager
from nemeton.metadata.poll import SegmentsMetadataManager
from nemeton.metadata.rules import MetadataRuleManager
from nemeton.model import DataSegment
from nemeton.rpc.server_inventory import DruidServer, HttpServerInventoryView, ServerViewListener
from nemeton.spi.coordinator import CoordinatorDuty, Rule
from nemeton.spi.discovery import DruidLeaderSelector, LeaderListener

log = logging.getLogger(__name__)

HISTORICAL_MANAGEMENT = "HistoricalManagementDuties"
INDEXING_SERVICE = "IndexingServiceDuties"
METADATA_STORE = "MetadataStoreManagementDuties"


class DruidCoordinator(LeaderListener):
    """Takes part in the election, and runs groups of duties while it leads (Druid's class of the same name).

    The loading of segments does not wait for its period: it also runs when the metadata store of this process changes,
    when a data server comes or goes, and when rules change. Thread-safe.
    """

    def __init__(
        self,
        selector: Annotated[DruidLeaderSelector, Named("coordinator")],
        config: DruidCoordinatorConfig,
        periods: CoordinatorPeriodConfig,
        peon_config: HttpLoadQueuePeonConfig,
        segments: SegmentsMetadataManager,
        rules: MetadataRuleManager,
        config_manager: ConfigManager,
        inventory: HttpServerInventoryView,
        client: EscalatedHttpClient,
        emitter: ServiceEmitter,
        json: Json,
        clock: Clock,
        changes: SegmentChangeHub | None = None,
        service: Annotated[AnnouncedService | None, Named("coordinator")] = None,
        lookups: LookupCoordinatorManager | None = None,
    ) -> None:
        """All are this role's, but for the hub of changes, which the roles of a process share."""
        self.selector = selector
        self._config = config
        self._periods = periods
        self._peon_config = peon_config
        self._segments = segments
        self._rules = rules
        self._config_manager = config_manager
        self._inventory = inventory
        self._client = client
        self._emitter = emitter
        self._json = json
        self._clock = clock
        self._service = service
        self._lookups = lookups
        self._lock = threading.RLock()
        self._started = False
        self._leading = False
        self._leader_since = 0
        self._groups: list[DutyGroup] = []
        self._peons: dict[str, HttpLoadQueuePeon] = {}
        inventory.add_listener(_Nudge(self))
        if changes is not None:
            changes.subscribe(lambda _: self.nudge())

    @lifecycle_start
    def start(self) -> None:
        """Enter the election."""
        with self._lock:
            self._started = True
        self.selector.register_listener(self)

    @lifecycle_stop
    def stop(self) -> None:
        """Leave the election; a leader stops leading first, since the selector does not call who leaves."""
        with self._lock:
            self._started = False
        self.stop_being_leader()
        self.selector.unregister_listener()

    # ---- leadership

    def become_leader(self) -> None:
        """See `LeaderListener`. Does nothing when the Coordinator was stopped meanwhile."""
        with self._lock:
            if not self._started:
                return
            log.info("This Coordinator becomes leader")
            self._segments.start_polling()
            self._rules.create_default_rule()
            if self._lookups is not None:
                self._lookups.start()
            if self._service is not None:
                self._service.announce()
            term = self.selector.local_term()
            self._leader_since = self._clock.now()
            self._groups = self._make_groups(term)
            for group in self._groups:
                group.start(self._config.start_delay)
            self._leading = True
            log.info("This Coordinator leads in term %d", term)

    def stop_being_leader(self) -> None:
        """See `LeaderListener`."""
        with self._lock:
            if not self._leading:
                return
            log.info("This Coordinator no longer leads")
            self._leading = False
            if self._service is not None:
                self._service.unannounce()
            groups, self._groups = self._groups, []
            peons, self._peons = self._peons, {}
        if self._lookups is not None:
            self._lookups.stop()
        for group in groups:
            group.stop()
        for peon in peons.values():
            peon.stop()
        self._segments.stop_polling()

    def _make_groups(self, term: int) -> list[DutyGroup]:
        historical: list[CoordinatorDuty] = [RunRules(), UnloadUnusedSegments(), MarkOvershadowedSegmentsAsUnused()]
        made: list[tuple[str, list[CoordinatorDuty], Any]] = [
            (HISTORICAL_MANAGEMENT, historical, self._config.period),
            (INDEXING_SERVICE, [], self._periods.indexing_period),
            (METADATA_STORE, [], self._periods.metadata_store_management_period),
        ]
        return [
            DutyGroup(
                name,
                duties,
                period,
                make_params=self._make_params,
                still_leads=lambda: self.is_leader and self.selector.local_term() == term,
                emitter=self._emitter,
                clock=self._clock,
            )
            for name, duties, period in made
        ]

    @property
    def is_leader(self) -> bool:
        """Whether this Coordinator leads."""
        return self.selector.is_leader() and self._started

    @property
    def current_leader(self) -> str | None:
        """Base URL of the leading Coordinator."""
        return self.selector.get_current_leader()

    @property
    def duty_groups(self) -> list[DutyGroup]:
        """The groups of this term; none when this Coordinator does not lead."""
        with self._lock:
            return list(self._groups)

    def nudge(self) -> None:
        """Have segments assigned soon; nothing happens when this Coordinator does not lead."""
        for group in self.duty_groups:
            if group.name == HISTORICAL_MANAGEMENT:
                group.nudge()

    # ---- what the duties and the resources see

    @property
    def dynamic_config(self) -> CoordinatorDynamicConfig:
        """The settings that change at run time."""
        return self._config_manager.get(DYNAMIC_CONFIG_KEY, CoordinatorDynamicConfig, CoordinatorDynamicConfig())

    def rules_of(self, data_source: str) -> Sequence[Rule]:
        """The rules of a data source, the default ones last; none, and a log, when they cannot be read."""
        try:
            found: list[Rule] = self._json.structure(self._rules.get_rules_with_default(data_source), list[Rule])
        except DruidException:
            log.exception("The rules of data source [%s] cannot be read", data_source)
            return []
        return found

    def peons(self) -> Mapping[str, HttpLoadQueuePeon]:
        """The load queue of each data server."""
        with self._lock:
            current = {server.name: server for server in self._inventory.servers if server.metadata.is_replicatable}
            for name in self._peons.keys() - current.keys():
                self._peons.pop(name).stop()
            for name, server in current.items():
                if name not in self._peons:
                    self._peons[name] = HttpLoadQueuePeon(
                        server.metadata, self._client, self._peon_config, self._json, self._clock
                    )
            return dict(self._peons)

    def _make_params(self) -> RunParams | None:
        dynamic = self.dynamic_config
        if dynamic.pause_coordination or not self._inventory.is_initialized:
            return None
        snapshot = self._segments.poll()
        rules: dict[str, Sequence[Rule]] = {}

        def rules_of(data_source: str) -> Sequence[Rule]:
            if data_source not in rules:
                rules[data_source] = self.rules_of(data_source)
            return rules[data_source]

        return RunParams(
            now=self._clock.now(),
            leader_since=self._leader_since,
            used_segments={segment.id: segment for segment in snapshot.all_segments()},
            overshadowed=snapshot.overshadowed,
            servers=self._servers(dynamic),
            rules=rules_of,
            dynamic_config=dynamic,
            mark=self._mark_unused,
        )

    def _servers(self, dynamic: CoordinatorDynamicConfig) -> list[QueuedServer]:
        """The data servers whose segments are known; one that has not told of its segments yet takes part later."""
        peons = self.peons()
        return [
            QueuedServer(
                server.metadata,
                server.segments,
                peons[server.name],
                max_queue=dynamic.max_segments_in_node_loading_queue or 2**31,
                is_decommissioning=server.metadata.host in dynamic.decommissioning_nodes,
            )
            for server in self._inventory.servers
            if server.name in peons and self._inventory.is_synced(server.name)
        ]

    def _mark_unused(self, data_source: str, segments: list[DataSegment]) -> int:
        return self._segments.mark_as_unused(data_source, [str(segment.id) for segment in segments])


class _Nudge(ServerViewListener):
    """Data servers that come or go change what is to be done; segments do, when a server loses them by itself."""

    def __init__(self, coordinator: DruidCoordinator) -> None:
        self._coordinator = coordinator

    def server_synced(self, server: DruidServer) -> None:
        self._coordinator.nudge()

    def server_removed(self, server: DruidServer) -> None:
        self._coordinator.nudge()

    def initialized(self) -> None:
        self._coordinator.nudge()
