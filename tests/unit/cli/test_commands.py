"""The commands as a user types them."""

import json
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tests.scenarios.cluster import NEMETON
from tests.servers.ports import free_router_port

GOLDEN_FLIGHTS = Path(__file__).resolve().parents[2] / "golden" / "segments" / "flights"


def nemeton(*words, status=0, cwd=None):
    done = subprocess.run([NEMETON, *map(str, words)], capture_output=True, text=True, timeout=60, cwd=cwd)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_version():
    assert nemeton("version").startswith("nemeton 0.")


def test_an_unknown_command_says_so():
    assert "No such command 'nope'" in nemeton("nope", status=2)


@pytest.mark.parametrize(
    "command", ["quickstart", "server", "tools", "tools dump-segment", "extensions", "extensions new"]
)
def test_every_command_explains_itself(command):
    assert "Usage: nemeton" in nemeton(*command.split(), "--help")


def test_metadata_init_makes_druids_tables_and_may_be_run_again(tmp_path):
    for _ in range(2):
        assert "metadata.db" in nemeton("tools", "metadata-init", "--data-dir", tmp_path)
    store = sqlite3.connect(tmp_path / "metadata.db")
    names = {name.lower() for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    tables = (
        "tasks",
        "tasklocks",
        "segments",
        "pendingsegments",
        "datasource",
        "rules",
        "config",
        "audit",
        "supervisors",
    )
    assert {f"druid_{name}" for name in tables} <= names


def test_insert_segments_registers_segments_where_they_lie(tmp_path):
    output = nemeton("tools", "insert-segments", GOLDEN_FLIGHTS.parent, "--data-dir", tmp_path)
    assert "60 of 60 segments" in output
    assert "0 of 60 segments" in nemeton("tools", "insert-segments", GOLDEN_FLIGHTS.parent, "--data-dir", tmp_path)
    store = sqlite3.connect(tmp_path / "metadata.db")
    rows = store.execute("SELECT payload FROM druid_segments WHERE dataSource = 'flights' AND used").fetchall()
    paths = {Path(json.loads(payload)["loadSpec"]["path"]) for (payload,) in rows}
    assert len(paths) == 3
    assert all(path.exists() and GOLDEN_FLIGHTS in path.parents for path in paths)


def test_insert_segments_says_what_is_missing(tmp_path):
    assert "No descriptor.json below" in nemeton("tools", "insert-segments", tmp_path, "--data-dir", tmp_path, status=1)
    (tmp_path / "descriptor.json").write_text("{}")
    assert "is no segment descriptor" in nemeton("tools", "insert-segments", tmp_path, "--data-dir", tmp_path, status=1)


class TestServer:
    @pytest.fixture
    def tree(self, tmp_path):
        """Druid's own layout: _common beside the roles' folders."""
        (tmp_path / "_common").mkdir()
        (tmp_path / "_common" / "common.runtime.properties").write_text(
            f"druid.metadata.storage.connector.connectURI=sqlite:///{tmp_path}/metadata.db\n"
            f"druid.indexer.logs.directory={tmp_path}/logs\ndruid.storage.storageDirectory={tmp_path}/segments\n"
            f"druid.indexer.task.baseTaskDir={tmp_path}/tasks\ndruid.extensions.loadList=[]\n"
            "druid.javascript.enabled=false\n"
        )
        self.port = free_router_port()
        for shift, role in enumerate(("coordinator", "overlord")):
            (tmp_path / role).mkdir()
            (tmp_path / role / "runtime.properties").write_text(
                f"druid.service=test/{role}\ndruid.plaintextPort={self.port + shift}\n"
            )
        return tmp_path

    def test_two_roles_with_a_configuration_each_until_sigterm(self, tree):
        command = [
            NEMETON,
            "server",
            "coordinator",
            "overlord",
            "--conf",
            tree / "coordinator",
            "--conf",
            tree / "overlord",
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tree) as process:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if "test/overlord listens" in line:
                    break
            for shift, role in enumerate(("coordinator", "overlord")):
                with urllib.request.urlopen(
                    f"http://localhost:{self.port + shift}/status/selfDiscovered/status"
                ) as answer:
                    assert json.load(answer) == {"selfDiscovered": True}
                with urllib.request.urlopen(f"http://localhost:{self.port + shift}/status/properties") as answer:
                    assert json.load(answer)["druid.service"] == f"test/{role}"
            process.send_signal(signal.SIGTERM)
            rest = process.stderr.read()
            assert process.wait(30) == 0, rest
        assert any("druid.javascript.enabled" in line for line in lines), "what means nothing here is listed once"
        assert "Traceback" not in rest

    def test_all_faults_are_told_at_once_and_nothing_starts(self, tree):
        (tree / "overlord" / "runtime.properties").write_text("druid.worker.capacity=lots\ndruid.storage.typ=local\n")
        output = nemeton("server", "overlord", "--conf", tree / "overlord", status=1, cwd=tree)
        assert "runtime.properties:1: property [druid.worker.capacity]: [lots] must be an integer" in output
        assert (
            "runtime.properties:2: property [druid.storage.typ]: is not known; did you mean [druid.storage.type]?"
            in output
        )
        assert not (tree / "metadata.db").exists()

    def test_validate_config_tells_the_same_without_starting(self, tree):
        output = nemeton("tools", "validate-config", "coordinator", "--conf", tree / "coordinator")
        assert "druid.javascript.enabled: known to Druid, of no meaning here" in output
        assert "The configuration is right." in output
        output = nemeton("tools", "validate-config", "overlord", "-D", "druid.metadata.storage.type=derby", status=1)
        assert "derby needs Java" in output

    def test_an_unknown_role_names_the_roles(self):
        said = nemeton("server", "brokr", status=1)
        assert "the roles are coordinator, overlord, historical, broker, middleManager, indexer, router" in said

    def test_conf_is_given_once_or_once_for_each_role(self, tree):
        words = [
            "server",
            "coordinator",
            "overlord",
            "broker",
            "--conf",
            tree / "coordinator",
            "--conf",
            tree / "overlord",
        ]
        assert "--conf is given 2 times for 3 roles" in nemeton(*words, status=2)


def test_the_program_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "nemeton.cli.main", "version"], capture_output=True, text=True)
    assert done.stdout.startswith("nemeton 0.")
