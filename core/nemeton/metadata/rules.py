"""Load and drop rules per data source: ``druid_rules``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

from nemeton.common.clock import Clock
from nemeton.json import Json
from nemeton.metadata.audit import AuditInfo, AuditManager
from nemeton.metadata.config import MetadataRuleManagerConfig
from nemeton.metadata.connector import MetadataStorageConnector
from nemeton.time import format_datetime, parse_datetime

#: What the first Coordinator stores for the default: two replicas of everything, in Druid; one here is for the caller.
DEFAULT_TIER = "_default_tier"


class MetadataRuleManager:
    """Keeps the newest rules of each data source (Druid: ``SQLMetadataRuleManager``). Thread-safe.

    Rules are JSON objects here; whoever runs them turns them into Rule objects. ``default_replicants`` is what the rule
    for everything that has none gets when a store is new.
    """

    default_replicants = 2

    def __init__(
        self,
        connector: MetadataStorageConnector,
        audit: AuditManager,
        config: MetadataRuleManagerConfig,
        json: Json,
        clock: Clock,
    ) -> None:
        self._connector = connector.acting_for("coordinator")
        self._audit = audit
        self._config = config
        self._json = json
        self._clock = clock
        self._lock = threading.Lock()
        self._rules: dict[str, list[dict[str, Any]]] | None = None
        self._read_at = 0.0

    @property
    def default_key(self) -> str:
        """The data source name under which the default rules are stored."""
        return self._config.default_rule

    def create_default_rule(self, replicants: int | None = None) -> None:
        """Store a rule that loads everything, if there is no default rule yet."""
        count = self.default_replicants if replicants is None else replicants
        rules = [{"type": "loadForever", "tieredReplicants": {DEFAULT_TIER: count}, "useDefaultTierForNull": True}]

        def work(connection: Connection) -> None:
            table = self._connector.tables.rules
            exists = connection.execute(
                select(table.c.id).where(table.c.datasource == self.default_key).limit(1)
            ).first()
            if exists is None:
                self._insert(connection, self.default_key, rules)

        self._connector.retry_transaction(work)
        self.poll()

    def poll(self) -> None:
        """Read all rules from the store."""
        table = self._connector.tables.rules
        query = select(table.c.datasource, table.c.payload).order_by(table.c.version, table.c.id)
        rows = self._connector.read(lambda c: c.execute(query).all())
        # ascending versions: the newest of a data source is written last and stays
        newest = {row.datasource: row.payload for row in rows}
        rules = {name: self._json.loads(payload) for name, payload in newest.items()}
        with self._lock:
            self._rules = rules
            self._read_at = self._clock.monotonic()

    def get_all_rules(self) -> Mapping[str, list[dict[str, Any]]]:
        """Return all rules by data source, the default's under :attr:`default_key`."""
        with self._lock:
            rules = self._rules
            old = self._clock.monotonic() - self._read_at >= self._config.poll_duration.to_seconds()
        if rules is None or old:
            self.poll()
            rules = self._rules
        return rules or {}

    def get_rules(self, data_source: str) -> list[dict[str, Any]]:
        """Return the data source's own rules; empty when it has none."""
        return self.get_all_rules().get(data_source, [])

    def get_rules_with_default(self, data_source: str) -> list[dict[str, Any]]:
        """Return the data source's rules followed by the default ones."""
        return [*self.get_rules(data_source), *self.get_rules(self.default_key)]

    def override_rules(self, data_source: str, rules: list[dict[str, Any]], info: AuditInfo) -> None:
        """Store new rules, which replace the data source's, and an audit entry, in one transaction."""

        def work(connection: Connection) -> None:
            self._audit.record_in(connection, data_source, "rules", info, rules)
            self._insert(connection, data_source, rules)

        self._connector.retry_transaction(work)
        self.poll()

    def _insert(self, connection: Connection, data_source: str, rules: list[dict[str, Any]]) -> None:
        table = self._connector.tables.rules
        newest = connection.execute(
            select(table.c.version).where(table.c.datasource == data_source).order_by(table.c.version.desc()).limit(1)
        ).scalar()
        now = self._clock.now()
        if newest is not None:
            # two changes in one millisecond, or a clock that goes behind: the later one must win
            now = max(now, parse_datetime(newest) + 1)
        version = format_datetime(now)
        connection.execute(
            insert(table).values(
                id=f"{data_source}_{version}", datasource=data_source, version=version, payload=self._json.dumps(rules)
            )
        )
