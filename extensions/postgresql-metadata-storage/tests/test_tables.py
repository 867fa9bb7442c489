"""Druid's tables: those of a running Druid are taken over as they are, and ours are the same."""

from __future__ import annotations

import json as plain_json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.servers.metadata import postgresql_connector

from nemeton.common.clock import ManualClock
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.metadata.audit import AuditInfo, AuditManager
from nemeton.metadata.config import MetadataRuleManagerConfig, MetadataStorageTablesConfig
from nemeton.metadata.coordinator import SqlIndexerMetadataStorageCoordinator
from nemeton.metadata.dynamic_config import ConfigManager
from nemeton.metadata.rules import MetadataRuleManager
from nemeton.metadata.tables import Tables
from nemeton.model import DataSegment, NumberedPartialShardSpec, NumberedShardSpec, TaskStatus
from nemeton.spi.metadata import SegmentCreateRequest
from nemeton.time import Interval

DATA = Path(__file__).parent / "data"
BYTES = {"payload", "status_payload", "commit_metadata_payload", "lock_payload"}


def schema(server, database):
    """The statements that would make the database's tables, one line each, sorted."""
    lines = server.dump_schema(database).splitlines()
    text = "\n".join(line for line in lines if line and not line.startswith(("--", "SET ", "SELECT ", "\\")))
    return sorted(" ".join(statement.split()) for statement in text.split(";\n") if statement.strip())


def rows(table):
    return plain_json.loads((DATA / f"{table}.json").read_text())


@pytest.fixture
def druids(postgresql):
    """A database with the tables and rows of a Druid 33 that was running."""
    database = postgresql.create_database()
    postgresql.sql((DATA / "postgresql.sql").read_text(), database)
    statements = []
    for file in sorted(DATA.glob("druid_*.json")):
        for row in rows(file.stem):
            values = {name: value for name, value in row.items() if value is not None}
            shown = [_literal(name, value) for name, value in values.items()]
            names = ", ".join(f'"{name}"' for name in values)
            statements.append(f"insert into {file.stem} ({names}) values ({', '.join(shown)});")
    for table in ("druid_audit", "druid_tasklocks", "druid_supervisors"):
        statements.append(f"select setval('{table}_id_seq', (select max(id) from {table}));")
    postgresql.sql("\n".join(statements), database)
    return database


def _literal(name, value):
    if name in BYTES:
        text = value if isinstance(value, str) else plain_json.dumps(value, separators=(",", ":"))
        return f"'\\x{text.encode().hex()}'::bytea"
    return "'" + str(value).replace("'", "''") + "'"


def test_new_tables_are_those_that_druid_would_make(postgresql, connect):
    reference, ours = postgresql.create_database(), postgresql.create_database()
    postgresql.sql((DATA / "postgresql.sql").read_text(), reference)
    connect(ours).start()
    assert schema(postgresql, ours) == schema(postgresql, reference)


def test_druids_tables_are_left_as_they_are(postgresql, connect, druids):
    before = schema(postgresql, druids)
    connect(druids).start()
    assert schema(postgresql, druids) == before


def test_tables_of_an_older_druid_get_the_columns_of_a_younger_one(postgresql, connect, druids):
    expected = schema(postgresql, druids)
    postgresql.sql(
        "alter table druid_tasks drop column type, drop column group_id;"
        "alter table druid_pendingsegments drop column upgraded_from_segment_id, drop column task_allocator_id;"
        "alter table druid_segments drop column upgraded_from_segment_id;",
        druids,
    )
    before = len(schema(postgresql, druids))
    connect(druids).start()
    assert len(expected) - before == 2  # the indexes
    assert schema(postgresql, druids) == expected


def test_many_processes_of_a_new_cluster_make_the_tables_at_once(postgresql, connect):
    """Which of PostgreSQL's refusals a loser meets depends on how far the winner is; none may end a process."""
    for _ in range(3):
        database = postgresql.create_database()
        connectors = [connect(database) for _ in range(6)]
        together = threading.Barrier(len(connectors))

        def start(connector, together=together):
            connector.engine.connect().close()
            together.wait(30)
            connector.start()

        with ThreadPoolExecutor(len(connectors)) as pool:
            list(pool.map(start, connectors))
        for connector in connectors:
            connector.stop()


def test_a_table_of_which_only_the_row_type_is_seen_yet_is_made_at_the_next_try(postgresql):
    """What a process meets in the moment in which another one's table appears (state 42710, not 42P07)."""
    database = postgresql.create_database()
    postgresql.sql("create type druid_datasource as enum ('x')", database)

    class Moment(ManualClock):
        def sleep(self, seconds):
            postgresql.sql("drop type if exists druid_datasource", database)

    connector = postgresql_connector(postgresql, database, Moment(0))
    try:
        connector.start()
    finally:
        connector.stop()
    assert postgresql.sql("select count(*) from druid_datasource", database) == "0\n"


def test_tables_go_into_the_schema_that_is_configured(postgresql, connect):
    database = postgresql.create_database()
    postgresql.sql("create schema druid_tables", database)
    connector = connect(database, db_table_schema="druid_tables")
    connector.start()
    connector.create_tables()
    count = "select schemaname, count(*) from pg_tables where tablename like 'druid_%' group by 1"
    assert postgresql.sql(count, database) == "druid_tables|10\n"
    connector.retry_transaction(lambda c: c.execute(connector.tables.config.insert().values(name="k", payload=b"v")))
    assert postgresql.sql("select name from druid_tables.druid_config", database) == "k\n"


def test_without_a_schema_the_search_path_decides(postgresql, connect):
    database = postgresql.create_database()
    postgresql.sql("create schema theirs", database)
    connect(database, uri=f"{postgresql.jdbc_url(database)}?currentSchema=theirs").start()
    assert postgresql.sql("select distinct schemaname from pg_tables where tablename like 'druid_%'", database) == (
        "theirs\n"
    )


def test_names_are_folded_as_postgresql_folds_them(postgresql, connect):
    from nemeton_postgresql_metadata_storage.config import PostgreSqlConnectorConfig, PostgreSqlTablesConfig
    from nemeton_postgresql_metadata_storage.dialect import PostgreSqlDialect

    fold = PostgreSqlDialect(PostgreSqlTablesConfig(), PostgreSqlConnectorConfig()).fold_name
    assert fold("Prod_DataSource") == "prod_datasource"
    assert fold("Ä_x") == "Ä_x"
    assert len(fold("ä" * 60).encode()) == 62
    database = postgresql.create_database()
    connector = connect(database)
    connector.tables = Tables.make(MetadataStorageTablesConfig(base="A_rather_long_name_of_a_Cluster"), fold)
    connector.create_tables()
    connector.create_tables()
    count = "select count(*) from pg_tables where tablename like 'a_rather_long_name_of_a_cluster%'"
    assert postgresql.sql(count, database) == "10\n"


# ---- the rows of a running Druid


def test_tasks_of_a_running_druid(connect, druids, json, clock):
    storage = TaskStorage(connect(druids), json, clock)
    recorded = {row["id"]: row for row in rows("druid_tasks")}
    active = {info.id: info for info in storage.get_active_tasks()}
    complete = {info.id: info for info in storage.get_complete_infos()}
    assert active.keys() | complete.keys() == recorded.keys()
    assert active.keys() == {id_ for id_, row in recorded.items() if str(row["active"]).lower() in ("true", "1")}
    for id_, info in {**active, **complete}.items():
        assert info.status.status.value == recorded[id_]["status_payload"]["status"]
        assert (info.type, info.group_id) == (recorded[id_]["type"], recorded[id_]["group_id"])
    noop = next(id_ for id_, row in recorded.items() if row["type"] == "noop")
    assert json.unstructure(storage.get_task(noop))["runTime"] == recorded[noop]["payload"]["runTime"]
    task = NoopTask(id="ours", data_source="wiki")
    storage.insert(task, TaskStatus.running("ours"))
    assert storage.get_task("ours") == task
    assert storage.set_status(TaskStatus.success("ours")).is_success


def test_locks_of_a_running_druid(connect, druids, json, clock):
    storage = TaskStorage(connect(druids), json, clock)
    recorded = rows("druid_tasklocks")
    locks = storage.get_all_locks()
    assert sorted(locks) == sorted(row["task_id"] for row in recorded)
    (lock,) = locks[recorded[0]["task_id"]]
    assert (lock.version, lock.priority) == (recorded[0]["lock_payload"]["version"], 75)
    storage.remove_lock(recorded[0]["task_id"], lock)
    storage.add_lock("ours", lock)  # the sequence goes on after Druid's rows
    assert sorted(storage.get_all_locks()) == sorted([recorded[1]["task_id"], "ours"])


def test_segments_offsets_and_pending_segments_of_a_running_druid(connect, druids, json, clock):
    coordinator = SqlIndexerMetadataStorageCoordinator(connect(druids), json, clock)
    recorded = rows("druid_segments")
    used = {row["id"] for row in recorded if str(row["used"]).lower() in ("true", "1")}
    found = set()
    for source in {row["datasource"] for row in recorded}:
        found |= {str(s.id) for s in coordinator.retrieve_used_segments(source, None, "INCLUDING_OVERSHADOWED")}
    assert found == used
    offsets = rows("druid_datasource")[0]
    stored = coordinator.retrieve_data_source_metadata(offsets["datasource"])
    assert stored == offsets["commit_metadata_payload"]
    pending = rows("druid_pendingsegments")[0]
    row = next(p for p in coordinator.retrieve_pending_segments("events") if str(p.id) == pending["id"])
    assert row.task_allocator_id == pending["task_allocator_id"]
    request = SegmentCreateRequest(
        sequence_name=pending["sequence_name"],
        previous_segment_id=None,
        version=pending["payload"]["version"],
        partial_shard_spec=NumberedPartialShardSpec(),
        task_allocator_id=pending["task_allocator_id"],
    )
    again = coordinator.allocate_pending_segment("events", row.id.interval, request, skip_segment_lineage_check=True)
    assert str(again) == pending["id"]
    new = DataSegment("ours", Interval.parse("2024/2025"), "v", load_spec={}, shard_spec=NumberedShardSpec(0, 1))
    assert coordinator.commit_segments_and_metadata([new]).success
    assert coordinator.mark_segments_as_unused("ours", None) == 1


def test_rules_and_settings_of_a_running_druid(connect, druids, json, clock):
    connector = connect(druids)
    audit = AuditManager(connector, json, clock)
    rules = MetadataRuleManager(connector, audit, MetadataRuleManagerConfig(), json, clock)
    recorded = rows("druid_rules")
    default = next(row for row in recorded if row["datasource"] == "_default")
    assert rules.get_rules("_default") == default["payload"]
    rules.override_rules("_default", [{"type": "dropForever"}], AuditInfo(author="me"))
    assert rules.get_rules("_default") == [{"type": "dropForever"}]
    assert [entry.audit_info.author for entry in audit.history("rules", limit=1)] == ["me"]
    config = ConfigManager(connector, audit, json, clock)
    stored = {row["name"]: row["payload"] for row in rows("druid_config")}
    assert json.loads(config.get_bytes("coordinator.config")) == stored["coordinator.config"]
    before = config.get_bytes("worker.config")
    assert config.set("worker.config", {"type": "default"}, AuditInfo(), expected=before, swap=True)
    assert not config.set("worker.config", {}, AuditInfo(), expected=before, swap=True)


def test_other_collations_change_nothing(postgresql, connect, json, clock):
    """Times are compared as text: a database that sorts as a language does finds the same segments."""
    database = postgresql.create_database("--locale-provider=icu", "--icu-locale=en-US")
    connector = connect(database)
    connector.start()
    coordinator = SqlIndexerMetadataStorageCoordinator(connector, json, clock)
    intervals = ["2024-01-01/2024-01-02", "2024-01-02/2024-01-03", "2023/2024", "-146136543/2024"]
    for interval in intervals:
        segment = DataSegment(
            "w", Interval.parse(interval), "2024-01-01T00:00:00.000Z", load_spec={}, shard_spec=NumberedShardSpec(0, 1)
        )
        coordinator.commit_segments([segment])
    day = Interval.parse("2024-01-01/2024-01-02")
    assert [str(s.interval) for s in coordinator.retrieve_used_segments("w", [day])] == [str(day)]
    assert len(coordinator.retrieve_used_segments("w", [Interval.parse("2023-12-31/2024-01-02")])) == 3
    assert coordinator.mark_segments_as_unused("w", Interval.parse("2023/2024-01-02")) == 2
