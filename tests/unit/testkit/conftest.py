from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

TIMEOUT_S = 240
_COMMANDS = {"nemeton": "nemeton.cli.main", "pytest": "pytest", "pip": "pip"}


class Environment:
    """A Python environment that sees this one's packages, and where installing disturbs nobody."""

    def __init__(self, home: Path) -> None:
        venv.create(home, with_pip=False, symlinks=True)
        self.bin = home / "bin"
        show = "import sysconfig; print(sysconfig.get_path('purelib'))"
        purelib = self.run(f'python -c "{show}"', home).strip()
        ours = sysconfig.get_path("purelib")
        Path(purelib, "parent.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        for name, module in _COMMANDS.items():
            script = self.bin / name
            script.write_text(f'#!/bin/sh\nexec "{self.bin}/python" -m {module} "$@"\n')
            script.chmod(0o755)

    def run(self, command: str, cwd: Path, *, fails: bool = False) -> str:
        """Run a shell command; returns what it printed. No network: pip takes what is there."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV", "NEMETON", "PIP"))}
        environment["PATH"] = f"{self.bin}{os.pathsep}{environment['PATH']}"
        environment |= {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "false", "PIP_NO_INDEX": "1", "COLUMNS": "200"}
        done = subprocess.run(
            command,
            shell=True,
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"$ {command}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))
