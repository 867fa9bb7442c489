from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.postgresql import PASSWORD, USER

from nemeton.common.errors import DruidException
from nemeton.config import ConfigurationError, JsonConfigurator, Properties
from nemeton.plugins import load_extensions
from nemeton.spi import MetadataStorageDialect
from nemeton.time import Period
from nemeton_postgresql_metadata_storage.config import (
    PREFIX,
    SSL_PREFIX,
    PostgreSqlConnectorConfig,
    PostgreSqlTablesConfig,
)

LOAD_LIST = {"druid.extensions.loadList": '["postgresql-metadata-storage"]'}


def test_a_load_list_written_for_druid_loads_it():
    loaded = load_extensions(LOAD_LIST, ("nemeton.metadata.extension",))
    assert [status.name for status in loaded.statuses if status.state == "loaded" and not status.is_core] == [
        "postgresql-metadata-storage"
    ]
    assert loaded.registry.get(MetadataStorageDialect, "postgresql").__name__ == "PostgreSqlDialect"


def test_without_it_the_type_is_unknown_and_the_error_says_where_it_is():
    loaded = load_extensions({"druid.extensions.loadList": "[]"}, ("nemeton.metadata.extension",))
    with pytest.raises(DruidException, match=r"\[postgresql\].*postgresql-metadata-storage"):
        loaded.registry.get(MetadataStorageDialect, "postgresql")


def test_loading_it_imports_nothing_heavy():
    code = (
        "import sys; from nemeton.plugins import load_extensions;"
        f"s = load_extensions({LOAD_LIST!r}, ()).statuses;"
        "assert 'loaded' in [x.state for x in s];"
        "sys.exit(','.join(m for m in ('psycopg', 'sqlalchemy') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_process_with_druids_properties_keeps_its_store_in_postgresql(postgresql, tmp_path, monkeypatch):
    """The command that makes the tables, with a password from the environment."""
    database = postgresql.create_database()
    properties = {
        **LOAD_LIST,
        "druid.metadata.storage.type": "postgresql",
        "druid.metadata.storage.connector.connectURI": postgresql.jdbc_url(database),
        "druid.metadata.storage.connector.user": USER,
        "druid.metadata.storage.connector.password": '{"type":"environment","variable":"SECRET_OF_THE_STORE"}',
    }
    (tmp_path / "runtime.properties").write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
    nemeton = str(Path(sys.executable).parent / "nemeton")
    done = subprocess.run(
        [nemeton, "tools", "metadata-init", "--conf", str(tmp_path)],
        env={**os.environ, "SECRET_OF_THE_STORE": PASSWORD},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert postgresql.sql("select count(*) from druid_tasks", database) == "0\n"


def configured(prefix, cls, json, **settings):
    properties = Properties({f"{prefix}.{name}": value for name, value in settings.items()})
    return JsonConfigurator(properties, json).configurate(prefix, cls)


def test_the_properties_are_druids(json):
    assert configured(PREFIX, PostgreSqlTablesConfig, json, dbTableSchema="s", socketTimeout="PT5S") == (
        PostgreSqlTablesConfig(db_table_schema="s", socket_timeout=Period(seconds=5))
    )
    ssl = configured(
        SSL_PREFIX,
        PostgreSqlConnectorConfig,
        json,
        useSSL="true",
        sslPassword="p",
        sslMode="verify-ca",
        sslCert="c",
        sslKey="k",
        sslRootCert="r",
    )
    assert ssl.parameters() == {
        "sslmode": "verify-ca",
        "sslcert": "c",
        "sslkey": "k",
        "sslrootcert": "r",
        "sslpassword": "p",
    }


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({}, {}),
        ({"sslMode": "require"}, {}),
        ({"useSSL": "true"}, {"sslmode": "verify-full"}),
        ({"useSSL": "true", "sslFactory": "org.postgresql.ssl.NonValidatingFactory"}, {"sslmode": "require"}),
        (
            {"useSSL": "true", "sslFactory": "org.postgresql.ssl.DefaultJavaSSLFactory"},
            {"sslmode": "verify-full", "sslrootcert": "system"},
        ),
    ],
)
def test_encryption_means_what_druids_driver_makes_of_it(settings, parameters, json):
    assert configured(SSL_PREFIX, PostgreSqlConnectorConfig, json, **settings).parameters() == parameters


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sslMode", "strict", "sslMode|ssl_mode"),
        ("sslFactory", "com.acme.Factory", "Java class.*sslRootCert"),
        ("sslFactoryArg", "x", "Java class"),
        ("sslHostNameVerifier", "com.acme.Verifier", "verify-ca"),
        ("sslPasswordCallback", "com.acme.Callback", "password provider"),
    ],
)
def test_what_only_java_can_do_is_refused_with_the_mend(name, value, message, json):
    with pytest.raises(ConfigurationError, match=message):
        configured(SSL_PREFIX, PostgreSqlConnectorConfig, json, **{name: value})
