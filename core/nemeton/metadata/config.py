"""``druid.metadata.storage.*``."""

from __future__ import annotations

from attrs import field, frozen

from nemeton.config import PasswordProvider
from nemeton.time import Period

_MINUTE = Period(minutes=1)
_TEN_MINUTES = Period(minutes=10)


@frozen(kw_only=True)
class MetadataStorageConnectorConfig:
    """``druid.metadata.storage.connector.*``: where the database is.

    ``connect_uri`` may be in SQLAlchemy's spelling or in Druid's (``jdbc:postgresql://…``). None stands for the store
    type's default; for ``sqlite`` that is a file below ``var/druid``.
    """

    create_tables: bool = True
    host: str = "localhost"
    port: int = 1527
    connect_uri: str | None = field(default=None, metadata={"property": "connectURI"})
    user: str | None = None
    password: PasswordProvider | None = None
    max_connections: int = 8


@frozen(kw_only=True)
class MetadataStorageTablesConfig:
    """``druid.metadata.storage.tables.*``: table names; those not given are ``<base>_<name>`` as in Druid."""

    base: str = "druid"
    data_source: str | None = None
    pending_segments: str | None = None
    segments: str | None = None
    upgrade_segments: str | None = None
    rules: str | None = None
    config: str | None = None
    tasks: str | None = None
    task_lock: str | None = None
    audit: str | None = None
    supervisors: str | None = None
    segment_schemas: str | None = None

    def names(self) -> dict[str, str]:
        """Return the table name of each kind of row."""
        defaults = {
            "data_source": "dataSource",
            "pending_segments": "pendingSegments",
            "segments": "segments",
            "upgrade_segments": "upgradeSegments",
            "rules": "rules",
            "config": "config",
            "tasks": "tasks",
            "task_lock": "taskLocks",
            "audit": "audit",
            "supervisors": "supervisors",
        }
        return {key: getattr(self, key) or f"{self.base}_{name}" for key, name in defaults.items()}


@frozen(kw_only=True)
class SegmentsMetadataManagerConfig:
    """``druid.manager.segments.*``."""

    poll_duration: Period = _MINUTE


@frozen(kw_only=True)
class ConfigManagerConfig:
    """``druid.manager.config.*``: how often configuration that parts follow is read anew."""

    poll_duration: Period = _MINUTE


@frozen(kw_only=True)
class MetadataRuleManagerConfig:
    """``druid.manager.rules.*``."""

    default_rule: str = field(default="_default", metadata={"property": "defaultTier"})
    poll_duration: Period = _MINUTE
    alert_threshold: Period = _TEN_MINUTES
