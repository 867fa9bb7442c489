"""What the unit tests share."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers.metadata import empty_tables, postgresql_connector, sqlite_connector

from nemeton.common.clock import SystemClock
from nemeton.metadata.config import MetadataStorageTablesConfig


@pytest.fixture
def only_extensions_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Extensions are found in this folder only, whatever else the environment has installed."""

    def only(folder: Path) -> None:
        def entry_points(*, group: str) -> importlib.metadata.EntryPoints:
            found = [p for d in importlib.metadata.distributions(path=[str(folder)]) for p in d.entry_points]
            return importlib.metadata.EntryPoints(p for p in found if p.group == group)

        monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
        monkeypatch.syspath_prepend(str(folder))

    return only


@pytest.fixture
def sqlite_store(tmp_path, clock):
    """A metadata store in a file, with its tables; ``clock`` is the fixture of the test's folder."""
    made = sqlite_connector(tmp_path / "metadata.db", clock)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def postgresql_store(postgresql, metadata_database):
    """A metadata store in PostgreSQL, with its tables and no rows."""
    # a manual clock would let the pauses between tries wait for somebody to move it
    made = postgresql_connector(postgresql, metadata_database, SystemClock())
    made.start()
    empty_tables(made)
    yield made
    made.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def connector(request):
    """A metadata store of each kind."""
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def another_connector(connector):
    """Makes further connectors to the same store, as other processes have them."""
    made = []

    def make():
        made.append(type(connector)(connector._config, MetadataStorageTablesConfig(), connector.dialect, SystemClock()))
        return made[-1]

    yield make
    for each in made:
        each.stop()
