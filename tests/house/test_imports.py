"""What importing nemeton costs: the program's help and the SPI bring in nothing heavy."""

import subprocess
import sys

import pytest

HEAVY = ("numpy", "pyarrow", "polars", "numba", "sqlalchemy", "starlette", "aiohttp", "sqlglot", "uvicorn")


def imported_by(code):
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["nemeton", "nemeton.spi", "nemeton.plugins", "nemeton.inject", "nemeton.model"])
def test_importing_the_framework_is_light(module):
    assert not imported_by(f"import {module}").intersection(HEAVY)


def test_help_imports_nothing_heavy_and_no_extension():
    code = "from nemeton.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    loaded = imported_by(code)
    assert "nemeton.cli.commands" in loaded
    assert not loaded.intersection(HEAVY)
    assert "nemeton.indexing.extension" not in loaded


def test_help_lists_the_commands():
    done = subprocess.run(
        [sys.executable, "-m", "nemeton.cli.main", "--help"], capture_output=True, text=True, check=True
    )
    for command in ("quickstart", "server", "tools", "extensions", "version"):
        assert command in done.stdout
