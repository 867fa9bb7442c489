"""What the unit tests share."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import pytest


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
def connector(tmp_path, clock):
    """A metadata store of this test alone, with its tables; ``clock`` is the fixture of the test's folder."""
    from nemeton.metadata.config import MetadataStorageConnectorConfig, MetadataStorageTablesConfig
    from nemeton.metadata.connector import MetadataStorageConnector
    from nemeton.metadata.sqlite import SqliteDialect

    made = MetadataStorageConnector(
        MetadataStorageConnectorConfig(connect_uri=f"sqlite:///{tmp_path}/metadata.db"),
        MetadataStorageTablesConfig(),
        SqliteDialect(),
        clock,
    )
    made.start()
    yield made
    made.stop()
