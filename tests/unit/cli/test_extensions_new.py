"""`nemeton extensions new` makes a package that installs, and whose tests pass at once."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from click.testing import CliRunner

from nemeton.cli.extensions import extensions
from nemeton.cli.scaffold import make_package

TIMEOUT_S = 240


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    into = tmp_path_factory.mktemp("new")
    done = CliRunner().invoke(extensions, ["new", "acme-fair-share", "--into", str(into)])
    assert done.exit_code == 0, done.output
    assert "pip install -e ." in done.output
    return into / "acme-fair-share"


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of an environment that sees this one's packages, and where installing disturbs nobody."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    show = "import sysconfig; print(sysconfig.get_path('purelib'))"
    purelib = subprocess.run([python, "-c", show], capture_output=True, text=True, check=True).stdout.strip()
    ours = sysconfig.get_path("purelib")
    Path(purelib, "parent.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return python


def run(*command: object, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV", "NEMETON"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_its_tests_pass_at_once(folder, python):
    run(python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "-e", ".", cwd=folder)
    told = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    assert "passed" in told
    assert "skipped" not in told
    listed = run(python, "-m", "nemeton.cli.main", "extensions", "list", cwd=folder)
    assert "acme-fair-share  (acme-fair-share 0.1.0)  loaded" in listed
    assert "worker_select_strategies: acmeFairShare" in listed
    examined = run(python, "-m", "nemeton.cli.main", "extensions", "doctor", "acme-fair-share", cwd=folder)
    assert "Nothing is wrong with acme-fair-share." in examined


def test_the_code_is_as_clean_as_ours(folder):
    run(
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--line-length",
        "120",
        "--select",
        "E,F,I,B,UP",
        ".",
        cwd=folder,
    )
    run(sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "--check", ".", cwd=folder)


def test_nothing_is_left_to_fill_in(tmp_path):
    folder = make_package("acme-other", tmp_path)
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert len(texts) == 6
    assert not any("@@" in text for text in texts)


def test_a_folder_that_is_there_stays(folder):
    done = CliRunner().invoke(extensions, ["new", "acme-fair-share", "--into", str(folder.parent)])
    assert done.exit_code == 1
    assert "is there already" in done.output


@pytest.mark.parametrize("name", ["Acme", "acme share", "9lives", "acme_share", "class", "-x", ""])
def test_names_that_cannot_be(tmp_path, name):
    done = CliRunner().invoke(extensions, ["new", "--into", str(tmp_path), "--", name])
    assert done.exit_code == 1
    assert "cannot be the name of an extension" in done.output
    assert not list(tmp_path.iterdir())
