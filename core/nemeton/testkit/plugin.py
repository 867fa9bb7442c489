"""The pytest plugin that every test run with nemeton installed loads (entry point ``pytest11``).

It brings the fixtures `nemeton_extensions`, `nemeton_cluster` and `nemeton_rows`. Imports nothing heavy: every pytest
session of an environment that has nemeton in it loads it, whether it tests an extension or not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from nemeton.server.embedded import EmbeddedCluster
    from nemeton.testkit.isolation import LoadedExtensions
    from nemeton.testkit.served import ServedRows

pytest.register_assert_rewrite("nemeton.testkit.suites")


@pytest.fixture
def nemeton_extensions() -> Callable[..., LoadedExtensions]:
    """A function that loads just the extensions given, beside core's own parts: ``nemeton_extensions(my_module)``.

    Each is a module, an object with hook implementations, or the name of an installed extension. What else is
    installed does not count, and nothing outlives the test. A broken extension raises `ExtensionError`. Options:
    ``core=False`` leaves core's parts out; ``properties={...}`` are the configuration.
    """
    from nemeton.testkit.isolation import load_isolated

    return load_isolated


@pytest.fixture
def nemeton_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., EmbeddedCluster]]:
    """A function that starts a whole cluster in this process, on free ports, with its data in a temporary folder.

    ``cluster = nemeton_cluster(properties={"druid.extensions.loadList": '["acme"]'}, roles=("overlord",))``; then
    ``cluster.router_url``, ``cluster.url("overlord")``. Several may run at a time. All stop when the test ends.
    """
    from contextlib import ExitStack

    with ExitStack() as running:

        def start(*, data_dir: Path | None = None, **options: Any) -> EmbeddedCluster:
            from nemeton.server.embedded import EmbeddedCluster

            folder = data_dir or tmp_path_factory.mktemp("nemeton")
            return running.enter_context(EmbeddedCluster(folder, **{"router_port": 0, **options}))

        yield start


@pytest.fixture
def nemeton_rows(nemeton_cluster: Callable[..., EmbeddedCluster]) -> Callable[..., ServedRows]:
    """A function that starts a cluster and ingests rows into it: ``rows = nemeton_rows([{"__time": …}], "acme")``.

    The names are the extensions that it loads. Then ask: ``rows.native({…})``, ``rows.sql("SELECT …")``.
    """
    from nemeton.testkit.served import ServedRows

    def start(rows: Sequence[Mapping[str, Any]], *extensions: str, data_source: str = "rows") -> ServedRows:
        served = ServedRows(
            nemeton_cluster(properties={"druid.extensions.loadList": json.dumps(extensions)}), data_source
        )
        served.ingest(rows)
        return served

    return start
