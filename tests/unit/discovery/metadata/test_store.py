"""How the kind ``metadata`` comes to its store, in whatever role."""

import pytest
from sqlalchemy import inspect
from tests.unit.discovery.metadata.conftest import settings

from nemeton.cli.parts import _Base
from nemeton.common.errors import DruidException
from nemeton.config import ConfigurationError, JsonConfigurator, Properties
from nemeton.discovery.metadata.config import MetadataDiscoveryConfig
from nemeton.discovery.metadata.store import LeaseStore
from nemeton.inject import Injector
from nemeton.json import Json
from nemeton.lifecycle import Lifecycle
from nemeton.metadata.connector import MetadataStorageConnector
from nemeton.metadata.module import MetadataModule
from nemeton.plugins import load_extensions

PARTS = ("nemeton.metadata.extension", "nemeton.model.extension", "nemeton.config.extension")


def injector(file, *modules, **properties):
    """A role's; without modules that of one with no metadata store."""
    given = {"druid.metadata.storage.connector.connectURI": f"sqlite:///{file}", **properties}
    extensions = load_extensions({"druid.extensions.loadList": "[]"}, PARTS)
    json = Json(extensions.registry)
    return Injector(
        [_Base(extensions, json), *modules],
        configurator=JsonConfigurator(Properties(given), json),
        lifecycle=Lifecycle("role"),
        eagerly=False,
    )


def test_a_role_without_a_metadata_store_gets_one_without_druids_tables(tmp_path):
    store = LeaseStore(injector(tmp_path / "m.db"), settings())
    assert list(tmp_path.iterdir()) == []
    names = {store.tables.leases.name, store.tables.nodes.name}
    assert names == {"druid_leases", "druid_nodes"} == set(inspect(store.connector.engine).get_table_names())
    store.close()


def test_a_role_with_a_metadata_store_shares_it(tmp_path):
    role = injector(tmp_path / "m.db", MetadataModule())
    assert LeaseStore(role, settings()).connector is role.get(MetadataStorageConnector)


def test_tables_are_not_made_where_that_is_not_wanted(tmp_path):
    properties = {"druid.metadata.storage.connector.createTables": "false"}
    store = LeaseStore(injector(tmp_path / "m.db", **properties), settings())
    assert store.tables.leases.name == "druid_leases"
    assert inspect(store.connector.engine).get_table_names() == []
    store.close()


def test_a_store_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "m.db").mkdir()
    with pytest.raises(DruidException, match=r"metadata store \[sqlite:.*m\.db\] cannot be used: unable to open"):
        LeaseStore(injector(tmp_path / "m.db"), settings()).tables  # noqa: B018 - asking makes them


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("leaseDuration", "PT0S", "lease_duration must be longer"),
        ("pollPeriod", "PT9S", "pollPeriod must be at most half"),
        ("nodeTimeout", "soon", r"nodeTimeout.*\[soon\]"),
    ],
)
def test_times_that_cannot_work_are_refused(name, value, message):
    prefix = "druid.discovery.metadata"
    configurator = JsonConfigurator(Properties({f"{prefix}.{name}": value}))
    with pytest.raises(ConfigurationError, match=message):
        configurator.configurate(prefix, MetadataDiscoveryConfig)
