"""`nemeton extensions new` makes a package that installs, and whose tests pass at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from nemeton.cli.extensions import extensions
from nemeton.cli.scaffold import KINDS, make_package


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    into = tmp_path_factory.mktemp("new")
    done = CliRunner().invoke(extensions, ["new", "acme-fair-share", "--into", str(into)])
    assert done.exit_code == 0, done.output
    assert "pip install -e '.[test]'" in done.output
    return into / "acme-fair-share"


def test_its_tests_pass_at_once(folder, environment):
    environment.run("pip install -e .", folder)
    told = environment.run("pytest -q -p no:cacheprovider", folder)
    assert "passed" in told
    assert "skipped" not in told
    listed = environment.run("nemeton extensions list", folder)
    assert "acme-fair-share  (acme-fair-share 0.1.0)  loaded" in listed
    assert "worker_select_strategies: acmeFairShare" in listed
    examined = environment.run("nemeton extensions doctor acme-fair-share", folder)
    assert "Nothing is wrong with acme-fair-share." in examined


@pytest.mark.slow  # the pages of the manual show the same, and run always
@pytest.mark.parametrize("kind", KINDS[1:])
def test_tests_of_each_kind_pass_at_once(kind, tmp_path, environment):
    name = f"acme-{kind}"
    done = CliRunner().invoke(extensions, ["new", name, "--kind", kind, "--into", str(tmp_path)])
    assert done.exit_code == 0, done.output
    environment.run("pip install -e .", tmp_path / name)
    told = environment.run("pytest -q -p no:cacheprovider", tmp_path / name)
    assert "passed" in told
    assert "skipped" not in told
    assert f"Nothing is wrong with {name}." in environment.run(f"nemeton extensions doctor {name}", tmp_path / name)
    environment.run(f"pip uninstall -y {name}", tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_is_as_clean_as_ours(kind, tmp_path, environment):
    folder = make_package("acme-clean", tmp_path, kind)
    environment.run("python -m ruff check --isolated --line-length 120 --select E,F,I,B,UP .", folder)
    environment.run("python -m ruff format --isolated --line-length 120 --check .", folder)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_to_fill_in(kind, tmp_path):
    folder = make_package("acme-other", tmp_path, kind)
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert len(texts) == 6
    assert not any("@@" in text for text in texts)


def test_a_folder_that_is_there_stays(tmp_path):
    (tmp_path / "acme-fair-share").mkdir()
    done = CliRunner().invoke(extensions, ["new", "acme-fair-share", "--into", str(tmp_path)])
    assert done.exit_code == 1
    assert "is there already" in done.output


@pytest.mark.parametrize("name", ["Acme", "acme share", "9lives", "acme_share", "class", "json", "nemeton", "-x", ""])
def test_names_that_cannot_be(tmp_path, name):
    done = CliRunner().invoke(extensions, ["new", "--into", str(tmp_path), "--", name])
    assert done.exit_code == 1
    assert "cannot be the name of an extension" in done.output
    assert not list(tmp_path.iterdir())
