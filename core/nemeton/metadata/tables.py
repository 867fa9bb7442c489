"""Druid's tables, with its names and columns, as SQLAlchemy Core tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from attrs import frozen
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    false,
    null,
    quoted_name,
)

from nemeton.metadata.config import MetadataStorageTablesConfig

#: What MySQL needs to be told for a LONGBLOB; others ignore the length.
_LONG_BLOB = 2**32 - 1


def _text(name: str, *, length: int = 255, nullable: bool = False, primary_key: bool = False) -> Column[str]:
    return Column(name, String(length), nullable=nullable, primary_key=primary_key)


def _payload(name: str = "payload", *, nullable: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary(_LONG_BLOB), nullable=nullable)


def _serial() -> Column[int]:
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


@frozen
class Tables:
    """The tables of one metadata store. Column names are lower case, as PostgreSQL folds Druid's."""

    meta: MetaData
    data_source: Table
    pending_segments: Table
    segments: Table
    upgrade_segments: Table
    rules: Table
    config: Table
    tasks: Table
    task_locks: Table
    audit: Table
    supervisors: Table

    @classmethod
    def make(cls, config: MetadataStorageTablesConfig, fold: Callable[[str], str] = lambda name: name) -> Tables:
        """Describe the tables; ``fold`` gives the form in which the database keeps a name that is not quoted."""
        meta = MetaData()
        names = {key: quoted_name(fold(name), quote=False) for key, name in config.names().items()}

        def index(table: str, suffix: str, *columns: str) -> Index:
            name = fold(f"idx_{names[table]}_{suffix}")
            if not name.lower().endswith(suffix):  # too long for the database: cut names could be the same
                key = ",".join([names[table], *columns]).lower()
                name = fold(f"idx_{hashlib.sha1(key.encode()).hexdigest()}")
            return Index(quoted_name(name, quote=False), *columns)

        return cls(
            meta=meta,
            data_source=Table(
                names["data_source"],
                meta,
                _text("datasource", primary_key=True),
                _text("created_date"),
                _payload("commit_metadata_payload"),
                _text("commit_metadata_sha1"),
            ),
            pending_segments=Table(
                names["pending_segments"],
                meta,
                _text("id", primary_key=True),
                _text("datasource"),
                _text("created_date"),
                _text("start"),
                _text("end"),
                _text("sequence_name"),
                _text("sequence_prev_id"),
                Column("sequence_name_prev_id_sha1", String(255), nullable=False, unique=True),
                _payload(),
                _text("upgraded_from_segment_id", nullable=True),
                _text("task_allocator_id", nullable=True),
                index("pending_segments", "datasource_end", "datasource", "end"),
                index("pending_segments", "datasource_sequence", "datasource", "sequence_name"),
                index("pending_segments", "datasource_task_allocator_id", "datasource", "task_allocator_id"),
            ),
            segments=Table(
                names["segments"],
                meta,
                _text("id", primary_key=True),
                _text("datasource"),
                _text("created_date"),
                _text("start"),
                _text("end"),
                Column("partitioned", Boolean, nullable=False),
                _text("version"),
                Column("used", Boolean, nullable=False),
                _payload(),
                _text("used_status_last_updated"),
                _text("upgraded_from_segment_id", nullable=True),
                index("segments", "used", "used"),
                index("segments", "datasource_used_end_start", "datasource", "used", "end", "start"),
                index("segments", "datasource_upgraded_from_segment_id", "datasource", "upgraded_from_segment_id"),
            ),
            upgrade_segments=Table(
                names["upgrade_segments"],
                meta,
                _serial(),
                _text("task_id"),
                _text("segment_id"),
                _text("lock_version"),
                index("upgrade_segments", "task", "task_id"),
            ),
            rules=Table(
                names["rules"],
                meta,
                _text("id", primary_key=True),
                _text("datasource"),
                _text("version"),
                _payload(),
                index("rules", "datasource", "datasource"),
            ),
            config=Table(names["config"], meta, _text("name", primary_key=True), _payload()),
            tasks=Table(
                names["tasks"],
                meta,
                _text("id", primary_key=True),
                _text("created_date"),
                _text("datasource"),
                _payload(),
                _payload("status_payload"),
                Column("active", Boolean, nullable=False, server_default=false()),
                _text("type", nullable=True),
                _text("group_id", nullable=True),
                index("tasks", "active_created_date", "active", "created_date"),
                index("tasks", "datasource_active", "datasource", "active"),
            ),
            task_locks=Table(
                names["task_lock"],
                meta,
                _serial(),
                Column("task_id", String(255), server_default=null()),
                _payload("lock_payload", nullable=True),
                index("task_lock", "task_id", "task_id"),
            ),
            audit=Table(
                names["audit"],
                meta,
                _serial(),
                _text("audit_key"),
                _text("type"),
                _text("author"),
                _text("comment", length=2048),
                _text("created_date"),
                _payload(),
                index("audit", "key_time", "audit_key", "created_date"),
                index("audit", "type_time", "type", "created_date"),
                index("audit", "audit_time", "created_date"),
            ),
            supervisors=Table(
                names["supervisors"],
                meta,
                _serial(),
                _text("spec_id"),
                _text("created_date"),
                _payload(),
                index("supervisors", "spec_id", "spec_id"),
            ),
        )
