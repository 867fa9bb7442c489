"""The autoscaler `local`, with real MiddleManagers: they come, they go, and none outlives its Overlord."""

import contextlib
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import urllib.request

import psutil
import pytest
from tests.servers.ports import free_ports

from nemeton.common.clock import SystemClock
from nemeton.common.errors import DruidException
from nemeton.config import Properties
from nemeton.indexing.overlord.provisioning.config import SimpleWorkerProvisioningConfig
from nemeton.indexing.overlord.provisioning.local.autoscaler import LocalAutoScaler
from nemeton.indexing.overlord.provisioning.local.config import LocalEnvConfig
from nemeton.indexing.overlord.provisioning.local.nodes import LocalNodes
from nemeton.model import DruidNode, Worker
from nemeton.spi.provisioning import AutoScaler
from nemeton.testkit.suites.autoscaler import AutoScalerSuite
from nemeton.testkit.waiting import eventually

PORT = free_ports(10)
OVERLORD = DruidNode("druid/overlord", "localhost", plaintext_port=PORT)
PROPERTIES = {
    "druid.extensions.loadList": "[]",
    "druid.service": "druid/overlord",
    "druid.plaintextPort": str(PORT),
    "druid.indexer.runner.type": "httpRemote",
}


def env_config(folder, **more):
    return LocalEnvConfig(base_dir=str(folder), start_port=PORT + 1, ports_per_worker=4, end_port=PORT + 8, **more)


@pytest.fixture
def nodes():
    made = LocalNodes(
        Properties(PROPERTIES), OVERLORD, SimpleWorkerProvisioningConfig(worker_version="7"), SystemClock()
    )
    made.start()
    yield made
    made.stop()


def answers(address):
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/status/health", timeout=2) as answer:
        return answer.status == 200
    return False


def worker_folder(folder, port=PORT + 1):
    return folder / f"localhost_{PORT}" / str(port)


def process_in(folder):
    return psutil.Process(int((worker_folder(folder) / "pid").read_text().split()[0]))


class TestPromises(AutoScalerSuite):
    @pytest.fixture
    def autoscaler(self, nodes, tmp_path):
        return LocalAutoScaler(nodes=nodes, max_num_workers=2, env_config=env_config(tmp_path))

    @pytest.fixture
    def worker_of(self):
        return lambda node_id: Worker("http", node_id, "localhost", 2, "7")


def test_a_worker_runs_with_the_overlords_properties_until_it_is_ended(nodes, tmp_path, monkeypatch):
    monkeypatch.setenv("druid_plaintextPort", str(PORT))  # an Overlord that is configured so keeps its port to itself
    address = nodes.provision(env_config(tmp_path, properties={"druid.worker.capacity": "3"}))
    assert address == f"localhost:{PORT + 1}"
    eventually(lambda: answers(address), "the worker answers")
    file = worker_folder(tmp_path) / "conf" / "runtime.properties"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "there may be passwords in it"
    lines = file.read_text().splitlines()
    assert f"druid.plaintextPort={PORT + 1}" in lines
    assert f"druid.indexer.runner.startPort={PORT + 2}" in lines
    assert f"druid.indexer.runner.endPort={PORT + 4}" in lines
    assert "druid.worker.version=7" in lines
    assert "druid.worker.capacity=3" in lines
    assert not any(line.startswith(("druid.service=", "druid.indexer.runner.type=")) for line in lines)
    process = process_in(tmp_path)
    assert nodes.terminate([address, "localhost:1"]) == [address]
    eventually(lambda: nodes.own([address]) == [], "it has ended")
    assert not process.is_running()
    assert not (worker_folder(tmp_path) / "pid").exists()


def test_all_end_when_the_overlord_stops(nodes, tmp_path):
    of_other_tests = set(psutil.Process().children())
    addresses = [nodes.provision(env_config(tmp_path)) for _ in range(2)]
    processes = set(psutil.Process().children()) - of_other_tests
    assert processes
    nodes.stop()
    assert nodes.own(addresses) == []
    assert not any(process.is_running() for process in processes)
    assert nodes.provision(env_config(tmp_path)) is None


def test_none_outlives_an_overlord_that_is_killed(tmp_path):
    overlord = textwrap.dedent(f"""
        import time
        from nemeton.common.clock import SystemClock
        from nemeton.config import Properties
        from nemeton.indexing.overlord.provisioning.config import SimpleWorkerProvisioningConfig
        from nemeton.indexing.overlord.provisioning.local.config import LocalEnvConfig
        from nemeton.indexing.overlord.provisioning.local.nodes import LocalNodes
        from nemeton.model import DruidNode

        node = DruidNode("druid/overlord", "localhost", plaintext_port={PORT})
        nodes = LocalNodes(Properties({PROPERTIES!r}), node, SimpleWorkerProvisioningConfig(), SystemClock())
        nodes.start()
        ports = dict(start_port={PORT + 1}, ports_per_worker=4, end_port={PORT + 8})
        print(nodes.provision(LocalEnvConfig(base_dir={str(tmp_path)!r}, **ports)), flush=True)
        time.sleep(120)
    """)
    with subprocess.Popen([sys.executable, "-c", overlord], stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip()
        eventually(lambda: answers(address), "the worker answers")
        worker = process_in(tmp_path)
        everybody = [worker, *worker.children(recursive=True)]
        process.send_signal(signal.SIGKILL)
    eventually(lambda: not any(alive(each) for each in everybody), "all have gone with it")


def alive(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def leave_behind(folder, pid, started):
    worker_folder(folder).mkdir(parents=True)
    (worker_folder(folder) / "pid").write_text(f"{pid} {started}")


def test_what_an_earlier_life_left_behind_is_ended(nodes, tmp_path, sleeper):
    process = psutil.Process(sleeper.pid)
    leave_behind(tmp_path, sleeper.pid, process.create_time())
    assert nodes.provision(env_config(tmp_path)) is not None
    assert not alive(process)


def test_a_process_that_only_has_got_its_id_is_left_alone(nodes, tmp_path, sleeper):
    leave_behind(tmp_path, sleeper.pid, psutil.Process(sleeper.pid).create_time() - 1000)
    assert nodes.provision(env_config(tmp_path)) is not None
    assert sleeper.poll() is None


def test_ports_in_use_are_passed_over(nodes, tmp_path, caplog):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("", PORT + 1))
        taken.listen()
        assert nodes.provision(env_config(tmp_path)) == f"localhost:{PORT + 5}"
        assert nodes.provision(env_config(tmp_path)) is None
    assert "are in use" in caplog.text


def test_a_worker_that_ends_by_itself_is_started_again(nodes, tmp_path):
    address = nodes.provision(env_config(tmp_path))
    eventually(lambda: answers(address), "the worker answers")
    first = process_in(tmp_path)
    first.kill()
    eventually(lambda: not alive(first), "it has ended")
    eventually(lambda: answers(address), "another one answers")
    assert process_in(tmp_path).pid != first.pid
    assert nodes.own([address]) == [address]
    nodes.terminate([address])
    eventually(lambda: nodes.own([address]) == [], "it has ended, and stays so")


def test_a_worker_that_cannot_start_is_tried_again_until_it_is_ended(nodes, tmp_path, caplog):
    address = nodes.provision(env_config(tmp_path, properties={"druid.worker.capacity": "many"}))
    eventually(lambda: "ended with code [1]" in caplog.text, "its words are logged")
    assert "druid.worker.capacity" in caplog.text
    assert nodes.own([address]) == [address]
    nodes.terminate([address])
    eventually(lambda: nodes.own([address]) == [], "it has ended")


def test_a_folder_that_cannot_be_made_is_logged_and_no_fault(nodes, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert nodes.provision(env_config(tmp_path / "file")) is None
    assert "No worker could be started" in caplog.text


def test_a_range_without_room_is_refused(json):
    with pytest.raises(DruidException, match="do not hold one worker"):
        json.structure({"startPort": 8200, "endPort": 8201}, LocalEnvConfig)
    with pytest.raises(ValueError, match="min_num_workers"):
        LocalAutoScaler(nodes=None, min_num_workers=-1)


def test_workers_of_one_machine_are_told_apart_by_their_ports():
    scaler = LocalAutoScaler(nodes=None)
    assert isinstance(scaler, AutoScaler)
    assert scaler.address_of(Worker("http", "localhost:8200", "localhost", 1, "0")) == "localhost:8200"
