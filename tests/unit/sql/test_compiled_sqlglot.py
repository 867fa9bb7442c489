"""SQL in an environment where sqlglotc has laid compiled modules over sqlglot's sources.

The compiled modules are made up here (they cannot be loaded at all): whoever imports one fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

import pytest

COMPILED = ("parser", "generator", "tokenizer_core", "errors", "helper", "expressions/core", "parsers/druid")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sqlglot and compiled modules beside its sources."""
    found = find_spec("sqlglot")
    assert found is not None
    assert found.origin is not None
    folder = tmp_path_factory.mktemp("site")
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd")
    shutil.copytree(Path(found.origin).parent, folder / "sqlglot", ignore=ignored)
    for name in COMPILED:
        (folder / "sqlglot" / f"{name}{EXTENSION_SUFFIXES[0]}").write_bytes(b"no library")
    return folder


def run(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), *(entry for entry in sys.path if entry)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True, timeout=120
    )


def test_without_us_the_compiled_modules_are_taken(site: Path) -> None:
    assert "ImportError" in run(site, "import sqlglot.parser").stderr


def test_statements_are_parsed_by_the_sources(site: Path) -> None:
    code = """
        from nemeton.sql.dialect import parse
        print(parse("SELECT FLOOR(t TO DAY) FROM x WHERE JSON_VALUE(d, '$.a' RETURNING BIGINT) = ?").tree.sql())
    """
    done = run(site, code)
    assert done.stdout.startswith("SELECT FLOOR_TO("), done.stderr


def test_the_compiled_sqlglot_in_memory_stops_the_start_with_the_mend(site: Path) -> None:
    """As an extension that imports sqlglot before SQL is set up would have it."""
    code = """
        import sys, importlib.machinery
        module = type(sys)("sqlglot.parser")
        module.__spec__ = importlib.machinery.ModuleSpec(
            "sqlglot.parser", importlib.machinery.ExtensionFileLoader("sqlglot.parser", "parser.so")
        )
        sys.modules["sqlglot.parser"] = module
        from nemeton.sql.module import SqlModule
        SqlModule().configure(None)
    """
    done = run(site, code)
    assert done.returncode == 1
    assert "pip uninstall sqlglotc" in done.stderr
