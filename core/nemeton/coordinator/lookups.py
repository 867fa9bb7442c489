"""The lookups of the cluster: kept in the metadata store, and sent to the nodes of their tiers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException, illegal_argument, runtime_failure
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.coordinator.config import LookupCoordinatorManagerConfig
from nemeton.coordinator.lookup_nodes import LookupNodes
from nemeton.json import Json
from nemeton.lookups.state import LookupExtractorFactoryMapContainer, LookupsState
from nemeton.metadata.audit import AuditInfo
from nemeton.metadata.dynamic_config import ConfigManager

log = logging.getLogger(__name__)

LOOKUP_CONFIG_KEY = "lookupsConfig"

_OLD_LOOKUP_CONFIG_KEY = "lookups"
_AUTO_CONVERSION = AuditInfo(
    author="autoConversion", identity="autoConversion", comment="autoConversion", ip="127.0.0.1"
)
_MAX_RACES = 10
#: How often nodes that are loading are looked at again before the period counts; the pauses double.
_MAX_LOOKS = 8
_SOON_S = 0.05

Tier = dict[str, LookupExtractorFactoryMapContainer]
Tiers = dict[str, Tier]


class LookupCoordinatorManager:
    """Keeps the lookups of all tiers and brings them to the nodes (Druid's class of the same name). Thread-safe.

    Nodes are looked after while this Coordinator leads: every ``druid.manager.lookups.period``, and at once when
    lookups change, when a node comes, and until every node has loaded what it was told.
    """

    def __init__(
        self,
        config: LookupCoordinatorManagerConfig,
        store: ConfigManager,
        nodes: LookupNodes,
        json: Json,
        clock: Clock,
    ) -> None:
        """All are the role's."""
        self._config = config
        self._store = store
        self._nodes = nodes
        self._json = json
        self._clock = clock
        self._known: Tiers | None = None
        self._lock = threading.RLock()
        self._watches = False
        self._executor: ScheduledExecutor | None = None
        self._unsettled = Backoff(initial_s=0.3, max_s=config.period / 1000)

    # ---- leadership

    def start(self) -> None:
        """Begin to look after the nodes; the Coordinator has become leader."""
        with self._lock:
            if self._executor is not None:
                return
            self._executor = ScheduledExecutor("lookup-manager", self._clock)
            period_s = self._config.period / 1000
            self._executor.schedule_with_fixed_delay(self.manage, self._config.initial_delay / 1000, period_s)
        self._convert_old()
        if not self._watches:
            self._watches = True
            self._store.watch(LOOKUP_CONFIG_KEY, self._read)
            self._nodes.on_change(self.nudge)

    def stop(self) -> None:
        """Look after the nodes no more."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown()

    def nudge(self) -> None:
        """Look after the nodes soon; nothing happens while another Coordinator leads."""
        self._unsettled.reset()
        self._once(_SOON_S)

    def _once(self, pause_s: float) -> None:
        with self._lock:
            executor = self._executor
        if executor is not None:
            executor.schedule_if_running(self.manage, pause_s)

    def manage(self) -> None:
        """Compare what every node has with what its tier should have, and tell it of the difference."""
        known = self._known
        if known is None:
            log.debug("There are no lookups yet")
            return
        if self._nodes.manage(known):
            self._unsettled.reset()
        elif self._unsettled.tries < _MAX_LOOKS:
            self._once(self._unsettled.next_delay())

    # ---- what is stored

    def _read(self, payload: bytes | None) -> None:
        self._known = None if payload is None else self._json.loads(payload, Tiers)
        self.nudge()

    def _convert_old(self) -> None:
        """Lookups of before Druid 0.10, which had no versions."""
        try:
            payload = self._store.get_bytes(_OLD_LOOKUP_CONFIG_KEY)
            if payload is None or self._store.get_bytes(LOOKUP_CONFIG_KEY) is not None:
                return
            old = self._json.loads(payload, dict[str, dict[str, dict[str, Any]]])
            converted = {
                tier: {name: LookupExtractorFactoryMapContainer(None, factory) for name, factory in lookups.items()}
                for tier, lookups in old.items()
                if lookups
            }
            self._store.set(LOOKUP_CONFIG_KEY, converted, _AUTO_CONVERSION, expected=None, swap=True)
        except Exception:
            log.exception("Lookups of an old cluster cannot be converted")

    @property
    def known_lookups(self) -> Tiers | None:
        """The lookups by tier and name; None before anybody has stored any. Not to be changed."""
        return self._known

    def get_lookup(self, tier: str, name: str) -> LookupExtractorFactoryMapContainer | None:
        """One lookup."""
        return ((self._known or {}).get(tier) or {}).get(name)

    def update_lookups(self, updates: Tiers, info: AuditInfo) -> None:
        """Add lookups, or replace those whose versions are older; all of them or none.

        An empty update initialises. Druid refuses any other first one, since it might not have read what is stored;
        here the store is asked within the update, and nothing can get lost.
        Raises a `DruidException` where a version is missing or not newer than the stored one.
        """
        for tier, lookups in updates.items():
            for name, lookup in lookups.items():
                if lookup.version is None:
                    raise illegal_argument(f"lookup [{tier}]:[{name}] does not have version.")
        if not updates and self._known is not None:
            return
        self._change(lambda stored: _updated(stored or {}, updates), info)

    def delete_tier(self, tier: str, info: AuditInfo) -> bool:
        """Forget all lookups of a tier; False when there are none."""

        def without(stored: Tiers | None) -> Tiers | None:
            if stored is None or tier not in stored:
                return None
            return {name: lookups for name, lookups in stored.items() if name != tier}

        return self._change(without, info)

    def delete_lookup(self, tier: str, lookup: str, info: AuditInfo) -> bool:
        """Forget a lookup; False when there is none. A tier without lookups is forgotten, too."""

        def without(stored: Tiers | None) -> Tiers | None:
            if stored is None or lookup not in stored.get(tier, {}):
                return None
            rest = {name: each for name, each in stored[tier].items() if name != lookup}
            others = {name: lookups for name, lookups in stored.items() if name != tier}
            return {**others, tier: rest} if rest else others

        return self._change(without, info)

    def _change(self, change: Callable[[Tiers | None], Tiers | None], info: AuditInfo) -> bool:
        """Store what ``change`` makes of what is stored; False when that is None. One writer wins a race."""
        for _ in range(_MAX_RACES):
            payload = self._store.get_bytes(LOOKUP_CONFIG_KEY)
            wanted = change(None if payload is None else self._json.loads(payload, Tiers))
            if wanted is None:
                return False
            if self._store.set(LOOKUP_CONFIG_KEY, wanted, info, expected=payload, swap=True):
                if self._known != wanted:  # a Coordinator that has not become leader yet follows nothing
                    self._read(self._json.dumps(wanted))
                return True
        raise runtime_failure("Unknown error updating configuration")

    # ---- what the nodes have

    def discover_tiers(self) -> list[str]:
        """The tiers of the nodes that are there."""
        return self._nodes.tiers()

    def nodes_in_tier(self, tier: str) -> Sequence[str]:
        """``host:port`` of the nodes of a tier."""
        return [node.host_and_port_to_use for node in self._nodes.in_tier(tier)]

    @property
    def last_known_states(self) -> Mapping[str, LookupsState]:
        """By ``host:port``, what the nodes had when they were looked after last, without those that did not answer."""
        return self._nodes.last_known


def _updated(stored: Tiers, updates: Tiers) -> Tiers:
    result = dict(stored)
    for tier, lookups in updates.items():
        there = stored.get(tier, {})
        for name, lookup in lookups.items():
            if name in there and not lookup.replaces(there[name]):
                raise _cannot_replace(tier, name, there[name])
        result[tier] = {**there, **lookups}
    return result


def _cannot_replace(tier: str, name: str, existing: LookupExtractorFactoryMapContainer) -> DruidException:
    return illegal_argument(f"given update for lookup [{tier}]:[{name}] can't replace existing spec [{existing}].")
