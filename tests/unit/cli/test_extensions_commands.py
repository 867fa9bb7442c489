"""`nemeton extensions list` and `doctor` against real packages, broken ones among them."""

from __future__ import annotations

import sys
import textwrap

import pytest
from click.testing import CliRunner

from nemeton.cli.extensions import extensions


@pytest.fixture
def package(tmp_path, monkeypatch, only_extensions_in):
    """A function that puts a distribution with an extension on sys.path."""
    site = tmp_path / "site"
    site.mkdir()
    only_extensions_in(site)
    monkeypatch.setenv("COLUMNS", "200")
    made = []

    def make(name, code, requires=()):
        module = name.replace("-", "_")
        head = "from nemeton.spi import hookimpl, json_type, lazy, WorkerSelectStrategy\n"
        (site / f"{module}.py").write_text(head + textwrap.dedent(code))
        info = site / f"{module}-2.0.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 2.0", *(f"Requires-Dist: {r}" for r in requires)]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        (info / "entry_points.txt").write_text(f"[nemeton.extensions]\n{name} = {module}\n")
        made.append(module)

    yield make
    for module in made:
        sys.modules.pop(module, None)


GOOD = """
@json_type("acme-good")
class Good(WorkerSelectStrategy):
    def find_worker(self, config, workers, task): return None

@hookimpl
def worker_select_strategies(): return [Good]
"""


def run(*arguments, status=0):
    done = CliRunner().invoke(extensions, arguments)
    assert done.exit_code == status, done.output
    return done.output


def test_nothing_installed(package):
    assert "No extensions are installed" in run("list", "-D", "druid.extensions.loadList=[]")


def test_list_shows_loaded_broken_and_idle_ones(package):
    package("acme-good", GOOD)
    package("acme-broken", "1 / 0")
    told = run("list")
    assert "acme-good  (acme-good 2.0)  loaded\n    worker_select_strategies: acme-good\n" in told
    assert "acme-broken  (acme-broken 2.0)  failed\n    error: Extension [acme-broken]: " in told
    told = run("list", "-D", 'druid.extensions.loadList=["acme-good", "acme-gone"]')
    assert "acme-broken  (acme-broken 2.0)  not loaded" in told
    assert "acme-gone  (not installed)  failed" in told


def test_a_fault_is_told_once(package, caplog):
    package("acme-broken", "1 / 0")
    assert run("list").count("division by zero (acme_broken.py, line 2)") == 1
    assert "division by zero" not in caplog.text


def test_list_takes_the_load_list_from_a_configuration(package, tmp_path):
    package("acme-good", GOOD)
    (tmp_path / "runtime.properties").write_text("druid.extensions.loadList=[]\n")
    assert "not loaded" in run("list", "--conf", str(tmp_path))


def test_list_shows_core_when_asked():
    told = run("list", "--core")
    assert "nemeton.query  (core " in told
    assert "aggregators: count" in told


def test_doctor_finds_nothing_wrong(package):
    package("acme-good", GOOD)
    assert "Nothing is wrong with acme-good." in run("doctor", "acme-good")


def test_doctor_says_when_an_extension_is_not_loaded(package):
    package("acme-good", GOOD)
    assert "does not name it" in run("doctor", "acme-good", "-D", "druid.extensions.loadList=[]")


@pytest.mark.parametrize(
    ("code", "requires", "told"),
    [
        ("1 / 0", (), "fails to import: ZeroDivisionError: division by zero"),
        (
            '@hookimpl\ndef worker_select_strategies(): return [lazy("late", "acme_nowhere:Late")]',
            (),
            "its worker_select_strategies type [late] cannot be imported: cannot import 'acme_nowhere:Late'",
        ),
        (
            "@json_type('half')\nclass Half(WorkerSelectStrategy): pass\n"
            "@hookimpl\ndef worker_select_strategies(): return [Half]",
            (),
            "its hook worker_select_strategies returned <class 'acme_ill.Half'>, which lacks find_worker. "
            "Implement find_worker in Half.",
        ),
        (
            "@hookimpl\ndef worker_select_strategies(): pass",
            (),
            "its hook worker_select_strategies brings nothing. Return a list from worker_select_strategies()",
        ),
        (GOOD, ("attrs<1",), "it requires attrs<1, and attrs "),
        (GOOD, ("acme-missing>=2",), "it requires acme-missing>=2, which is not installed"),
    ],
)
def test_doctor_says_what_is_wrong(package, code, requires, told):
    package("acme-ill", code, requires)
    assert f"acme-ill: {told}" in run("doctor", "acme-ill", status=1).replace(
        "acme-ill: 'acme_ill' of acme-ill 2.0 ", "acme-ill: "
    )


def test_requirements_for_other_platforms_do_not_count(package):
    package("acme-good", GOOD, ("acme-missing; sys_platform == 'plan9'",))
    run("doctor", "acme-good")


def test_doctor_of_an_unknown_extension(package):
    package("acme-good", GOOD)
    assert "No extension [acme-bad] is installed. Installed are: acme-good." in run("doctor", "acme-bad", status=1)
