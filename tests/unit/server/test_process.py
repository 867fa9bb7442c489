"""From the command line to a running role and back (behaviours 1.1 to 1.8 of docs/design/coverage.md)."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import ClassVar

import psutil
import pytest
from sqlalchemy import inspect

from nemeton.cli.server import role_settings, run_until_stopped, server
from nemeton.config import ConfigurationError, Properties
from nemeton.coordinator.coordinator import DruidCoordinator
from nemeton.dataserver.load_drop import SegmentLoadDropHandler
from nemeton.discovery.announcement import SelfAnnouncement
from nemeton.http.client import HttpClient
from nemeton.http.server import HttpServer
from nemeton.indexing.overlord.master import TaskMaster
from nemeton.inject import Module
from nemeton.lifecycle import Lifecycle, LifecycleError, Stage, lifecycle_start, lifecycle_stop
from nemeton.metadata.connector import MetadataStorageConnector
from nemeton.model import DruidNode, NodeRole
from nemeton.rpc.server_inventory import HttpServerInventoryView
from nemeton.server import process as process_module
from nemeton.server.embedded import EmbeddedCluster
from nemeton.server.process import RoleSettings, ServerProcess
from nemeton.server.roles import ROLES, find_role
from nemeton.testkit.waiting import eventually

AS_OVERLORD = {"druid.coordinator.asOverlord.enabled": "true"}


class Part:
    """Joins the role's lifecycle and writes down what happens to it."""

    seen: ClassVar[list[str]] = []
    fails = False

    def __init__(self, node: DruidNode):
        self.node = node

    @lifecycle_start
    def start(self):
        self.seen.append("start")
        if self.fails:
            raise ArithmeticError("the part fails")

    @lifecycle_stop
    def stop(self):
        self.seen.append("stop")


class PartModule(Module):
    def configure(self, binder):
        binder.bind(Part)
        binder.manage_lifecycle(Part, stage=Stage.INIT)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Makes a Router with a part of ours in it: the smallest process there is."""
    monkeypatch.setattr(Part, "seen", [])
    load = process_module.load_extensions

    def load_with_part(properties, builtins):
        extensions = load(properties, builtins)
        monkeypatch.setattr(extensions, "modules", lambda role=None: [PartModule()])
        return extensions

    monkeypatch.setattr(process_module, "load_extensions", load_with_part)

    def make(**properties):
        values = {"druid.extensions.loadList": "[]", "druid.plaintextPort": "0", **properties}
        return [RoleSettings(ROLES["router"], Properties(values))]

    return make


def test_arguments_become_roles_with_their_properties(tmp_path):
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "runtime.properties").write_text("druid.host=one\ndruid.service=druid/mine\n")
    arguments = ["broker", "historical", "--conf", str(folder), "-D", "druid.host=two"]
    context = server.make_context("server", arguments)
    settings = role_settings(**context.params)
    assert [setting.role.name for setting in settings] == ["broker", "historical"]
    assert {setting.properties["druid.host"] for setting in settings} == {"two"}
    assert {setting.properties["druid.service"] for setting in settings} == {"druid/mine"}


def test_the_template_builds_starts_joins_and_stops(small, monkeypatch):
    order = []
    monkeypatch.setattr(Part, "seen", order)

    def join(self, **_):
        order.append("join")
        self.stop()

    monkeypatch.setattr(ServerProcess, "join", join)
    run_until_stopped(small())
    assert order == ["start", "join", "stop"]


def test_a_process_stays_until_it_is_told_to_stop(small):
    process = ServerProcess(small())
    process.start()
    joined = threading.Thread(target=process.join)
    joined.start()
    eventually(lambda: hasattr(process, "_outer"), "joined")
    assert joined.is_alive()
    process.request_stop()
    joined.join(30)
    assert not joined.is_alive()
    assert Part.seen == ["start", "stop"]


def test_a_failure_while_joined_leaves_run(small, monkeypatch):
    def join(self, **_):
        raise InterruptedError("woken")

    monkeypatch.setattr(ServerProcess, "join", join)
    with pytest.raises(InterruptedError):
        run_until_stopped(small())


def test_a_stop_that_hangs_ends_with_status_one(small, monkeypatch, capsys):
    def join(self, **_):
        raise LifecycleError("did not stop")

    monkeypatch.setattr(ServerProcess, "join", join)
    with pytest.raises(SystemExit) as end:
        run_until_stopped(small())
    assert end.value.code == 1
    assert "did not stop" in capsys.readouterr().err


def test_each_role_names_its_modules_and_the_base_is_the_same_for_all():
    base = set.intersection(*(set(role.module_names) for role in ROLES.values()))
    assert {name.rpartition(":")[2] for name in base} == {"EmitterModule", "DiscoveryModule", "HttpModule", "RpcModule"}
    own = {role.name: {name.rpartition(":")[2] for name in set(role.module_names) - base} for role in ROLES.values()}
    assert "CoordinatorModule" in own["coordinator"]
    assert "OverlordModule" in own["overlord"]
    assert not own["coordinator"] & {"OverlordModule", "BrokerModule", "HistoricalModule"}
    with pytest.raises(Exception, match="coordinator, overlord, historical, broker, middleManager, indexer, router"):
        find_role("firehose")


def test_the_injector_of_a_role_has_base_and_own_modules(small):
    process = ServerProcess(small())
    injector = process.injectors["router"]
    assert injector.get(Part).node is injector.get(DruidNode)
    assert injector.get(list[NodeRole]) == [NodeRole.ROUTER]
    assert isinstance(injector.get(Lifecycle), Lifecycle)


def test_the_roles_follow_from_the_properties():
    coordinator = ROLES["coordinator"]
    assert coordinator.configured(Properties({})).names == ("coordinator",)
    both = coordinator.configured(Properties(AS_OVERLORD))
    assert both.names == ("coordinator", "overlord")
    assert set(both.module_names) == {*coordinator.module_names, *ROLES["overlord"].module_names}
    assert (both.service, both.port) == (coordinator.service, coordinator.port)
    assert ROLES["broker"].configured(Properties(AS_OVERLORD)).names == ("broker",)
    with pytest.raises(ConfigurationError, match=r"druid\.coordinator\.asOverlord\.enabled"):
        coordinator.configured(Properties({"druid.coordinator.asOverlord.enabled": "perhaps"}))


def test_a_historical_needs_nobody_and_announces_itself_last(tmp_path):
    with EmbeddedCluster(
        tmp_path, router_port=0, roles=("historical",), properties={"druid.extensions.loadList": "[]"}
    ) as cluster:
        stages = {each.key.type: each.stage for each in cluster.process.injectors["historical"].elements.managed}
        answer = HttpClient().request("GET", f"{cluster.url('historical')}/status/selfDiscovered/status")
    assert answer.json() == {"selfDiscovered": True}
    assert stages[SegmentLoadDropHandler] < stages[HttpServer] < stages[SelfAnnouncement]
    assert list(stages)[-1] is SelfAnnouncement


@pytest.fixture(scope="module")
def as_overlord(tmp_path_factory):
    folder = tmp_path_factory.mktemp("as-overlord")
    properties = {**AS_OVERLORD, "druid.extensions.loadList": "[]", "druid.indexer.runner.startPort": "28300"}
    roles = ("coordinator", "overlord", "router")
    with EmbeddedCluster(folder, router_port=0, roles=roles, properties=properties) as cluster:
        eventually(lambda: cluster.process.injectors["coordinator"].get(TaskMaster).is_leader, "it leads")
        yield cluster


def test_a_coordinator_as_overlord_has_both_roles_in_one_injector(as_overlord):
    assert set(as_overlord.process.injectors) == {"coordinator", "router"}
    injector = as_overlord.process.injectors["coordinator"]
    assert injector.get(list[NodeRole]) == [NodeRole.COORDINATOR, NodeRole.OVERLORD]
    assert as_overlord.url("overlord") == as_overlord.url("coordinator")


def test_a_coordinator_as_overlord_is_announced_and_found_in_both_roles(as_overlord):
    http = HttpClient()
    base = as_overlord.url("coordinator")
    assert http.request("GET", f"{base}/status/selfDiscovered/status").json() == {"selfDiscovered": True}
    for role, path in (("coordinator", "/druid/coordinator/v1/leader"), ("overlord", "/druid/indexer/v1/leader")):
        answer = http.request("GET", as_overlord.router_url + path)
        assert (answer.status, answer.text) == (200, base), role


def test_a_coordinator_as_overlord_runs_tasks(as_overlord):
    http = HttpClient()
    api = f"{as_overlord.router_url}/druid/indexer/v1/task"
    task_id = http.request("POST", api, json={"type": "noop", "id": "noop_both", "runTime": 1}).json()["task"]

    def state():
        return http.request("GET", f"{api}/{task_id}/status").json()["status"]["status"]

    eventually(lambda: state() != "RUNNING", "the task ends", 60)
    assert state() == "SUCCESS"


def test_a_coordinator_has_its_tables_and_follows_the_data_servers(as_overlord):
    injector = as_overlord.process.injectors["coordinator"]
    tables = set(inspect(injector.get(MetadataStorageConnector).engine).get_table_names())
    assert {"druid_segments", "druid_rules", "druid_config", "druid_tasks"} <= tables
    inventory = injector.get(HttpServerInventoryView)
    eventually(lambda: inventory.is_initialized, "the first view of the data servers")


def test_leaders_leave_nothing_behind_when_they_stop(tmp_path):
    properties = {"druid.extensions.loadList": "[]", "druid.indexer.runner.startPort": "28400"}
    before = set(threading.enumerate())
    roles = ("coordinator", "overlord")
    with EmbeddedCluster(tmp_path, router_port=0, roles=roles, properties=properties) as cluster:
        injectors = cluster.process.injectors
        eventually(lambda: injectors["overlord"].get(TaskMaster).is_leader, "the Overlord leads")
        eventually(lambda: injectors["coordinator"].get(DruidCoordinator).duty_groups, "the Coordinator leads")
    own = ("duties", "task-queue", "segments-poll", "LeaderSelector")
    eventually(
        lambda: not [t for t in set(threading.enumerate()) - before if t.name.startswith(own)], "their threads end"
    )
    assert not injectors["coordinator"].get(DruidCoordinator).duty_groups


def test_the_start_says_what_the_machine_has(small, caplog):
    process = ServerProcess(
        small(**{"druid.startup.logging.logProperties": "true", "druid.metadata.storage.connector.password": "hush"})
    )
    with caplog.at_level(logging.INFO, logger="nemeton.server.process"):
        process.start()
    process.stop()
    lines = [record.getMessage() for record in caplog.records if record.name == "nemeton.server.process"]
    assert f"[{psutil.cpu_count()}] processors" in lines[0]
    assert f"[{psutil.virtual_memory().total >> 20}] MiB of memory" in lines[0]
    assert "* druid.plaintextPort: 0" in lines[1:]
    assert "hush" not in caplog.text


@pytest.mark.parametrize(("limit", "told"), [(1 << 30, "[1024] MiB at most"), (-1, None), (OSError("no"), None)])
def test_a_bound_on_memory_is_told_where_it_is_known(small, caplog, monkeypatch, limit, told):
    def rlimit(self, *_):
        if isinstance(limit, OSError):
            raise limit
        return limit, limit

    monkeypatch.setattr(psutil.Process, "rlimit", rlimit)
    with caplog.at_level(logging.INFO, logger="nemeton.server.process"):
        process_module._log_start(Properties({}), [])
    assert (told in caplog.text) if told else ("at most" not in caplog.text)
    assert "processors" in caplog.text


def test_a_failed_start_is_logged_stops_what_runs_and_propagates(small, caplog, monkeypatch):
    monkeypatch.setattr(Part, "fails", True)
    process = ServerProcess(small())
    with pytest.raises(ArithmeticError, match="the part fails"):
        process.start()
    record = next(record for record in caplog.records if record.message == "Error when starting up. Failing.")
    assert record.levelno == logging.ERROR
    assert isinstance(record.exc_info[1], ArithmeticError)
    assert "stop" not in Part.seen  # it never started


FAILING = """
import sys
from nemeton.emitter.service import ServiceEmitter
from nemeton.lifecycle import lifecycle_start
def fail(self): raise ArithmeticError("it broke")
ServiceEmitter.start = lifecycle_start(fail)
from nemeton.cli.main import main
main(["server", "router", "--conf", sys.argv[1], "-D", "druid.plaintextPort=0", "-D", "druid.extensions.loadList=[]"])
"""


def test_a_failed_start_ends_the_process_with_status_one(tmp_path):
    (tmp_path / "runtime.properties").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", FAILING, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "Error when starting up. Failing." in done.stderr
    assert "it broke" in done.stderr
