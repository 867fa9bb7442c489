"""The fixtures that the pytest plugin brings."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from nemeton.plugins import ExtensionError, hookimpl, json_type, lazy
from nemeton.spi.runners import WorkerSelectStrategy

HEAVY = ("numpy", "pyarrow", "polars", "numba", "sqlalchemy", "nemeton.server", "nemeton.spi")


@json_type("acme")
class Acme(WorkerSelectStrategy):
    def find_worker(self, config, workers, task):
        return None


def module_with(**hooks):
    module = types.ModuleType("acme")
    for name, implementation in hooks.items():
        setattr(module, name, hookimpl(implementation))
    return module


def test_a_module_is_loaded_beside_core(nemeton_extensions):
    loaded = nemeton_extensions(module_with(worker_select_strategies=lambda: [Acme]))
    assert loaded.registry.get(WorkerSelectStrategy, "acme") is Acme
    assert "equalDistribution" in loaded.registry.names(WorkerSelectStrategy)


def test_an_object_is_loaded_too(nemeton_extensions):
    class Extension:
        @hookimpl
        def worker_select_strategies(self):
            return [Acme]

    assert nemeton_extensions(Extension(), core=False).registry.names(WorkerSelectStrategy) == ["acme"]


def test_each_load_is_apart(nemeton_extensions):
    nemeton_extensions(module_with(worker_select_strategies=lambda: [Acme]))
    assert "acme" not in nemeton_extensions().registry.names(WorkerSelectStrategy)


def test_a_broken_one_raises(nemeton_extensions):
    with pytest.raises(ExtensionError, match="did you mean worker_select_strategies"):
        nemeton_extensions(module_with(worker_select_strategy=lambda: [Acme]))
    with pytest.raises(ExtensionError, match="which nemeton itself holds"):
        nemeton_extensions(module_with(worker_select_strategies=lambda: [lazy("equalDistribution", "x:Y")]))


def test_a_name_that_is_not_installed(nemeton_extensions):
    with pytest.raises(LookupError, match="acme-nowhere"):
        nemeton_extensions("acme-nowhere")


def test_the_plugin_is_light():
    code = f"import sys, nemeton.testkit.plugin; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_cluster_on_free_ports(nemeton_cluster):
    import json
    import urllib.request

    cluster = nemeton_cluster()
    with urllib.request.urlopen(f"{cluster.router_url}/status", timeout=30) as answer:
        assert "version" in json.load(answer)
    assert len({cluster.url(role) for role in ("router", "broker", "overlord")}) == 3
