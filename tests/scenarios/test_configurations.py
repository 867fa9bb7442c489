"""The configuration folders of docs/operating/cluster.md work as they are.

Each "machine" is an address of the loopback network, so that all may use the ports that the folders name.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.scenarios.api import Api
from tests.scenarios.cluster import NEMETON
from tests.servers.postgresql import PASSWORD, USER
from tests.servers.process import die_with_parent

ROOT = Path(__file__).parents[2]
OPERATING = ROOT / "docs" / "operating"
ROWS = "\n".join(f'{{"ts":"2024-01-01T00:00:00Z","n":{n}}}' for n in range(10))

pytestmark = pytest.mark.xdist_group("configurations")  # they share ports


def command(page_folder):
    """The command that starts all roles, as the page has it, with another folder in the place of single."""
    text = (OPERATING / "cluster.md").read_text()
    (found,) = re.findall(r"nemeton (server coordinator historical (?:[^\n]*\\\n)+[^\n]*)", text)
    return shlex.split(found.replace("\\\n", " ").replace("conf/single", f"conf/{page_folder}"))


class Machine(Api):
    """One machine of a cluster, with all roles in one process."""

    def __init__(self, folder, address, configuration, env):
        self.folder = folder / address
        self.folder.mkdir()
        shutil.copytree(OPERATING / "conf", self.folder / "conf")
        self.address = address
        self.env = {**os.environ, "DRUID_HOST": address, "DRUID_DATA": str(self.folder / "data"), **env}
        self.words = command(configuration)
        self.process = None

    @property
    def url(self):
        return f"http://{self.address}:8888"

    def start(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [NEMETON, *self.words],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.env,
                preexec_fn=die_with_parent,
                start_new_session=True,
            )

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def check(self):
        log = (self.folder / "log").read_text(errors="replace")[-4000:]
        assert self.process.poll() is None, f"{self.address} has ended\n{log}"
        return log

    def is_leader(self):
        url = f"http://{self.address}:8081/druid/indexer/v1/isLeader"
        return subprocess.run(["curl", "-sf", url], capture_output=True, check=False).returncode == 0


@pytest.fixture
def start(tmp_path):
    running = []

    def make(configuration, *addresses, **env):
        machines = [Machine(tmp_path, address, configuration, env) for address in addresses]
        running.extend(machines)
        for machine in machines:
            machine.start()
        for machine in machines:
            machine.wait_for(lambda machine=machine: machine.sql("SELECT 1 AS a") == [{"a": 1}], 120)
        first = machines[0]
        first.wait_for(lambda: len(first.get("/druid/indexer/v1/workers")) == len(machines))
        return machines

    yield make
    for machine in running:
        if machine.process is not None and machine.process.poll() is None:
            machine.kill()


def ingest(machine, data_source):
    return machine.submit(
        {
            "type": "index_parallel",
            "spec": {
                "dataSchema": {
                    "dataSource": data_source,
                    "timestampSpec": {"column": "ts", "format": "iso"},
                    "dimensionsSpec": {"dimensions": [{"type": "long", "name": "n"}]},
                    "granularitySpec": {"segmentGranularity": "DAY"},
                },
                "ioConfig": {
                    "type": "index_parallel",
                    "inputSource": {"type": "inline", "data": ROWS},
                    "inputFormat": {"type": "json"},
                },
            },
        }
    )


def check_work(machine, other, data_source):
    """A task that was given to one machine, and a query to another one."""
    task = ingest(machine, data_source)
    assert machine.wait_for_task(task)["statusCode"] == "SUCCESS"
    query = f'SELECT COUNT(*) AS c, SUM(n) AS s FROM "{data_source}"'
    other.wait_for(lambda: other.sql(query) == [{"c": 10, "s": 45}])


def test_one_machine(start):
    (machine,) = start("single", "127.0.7.1")
    check_work(machine, machine, "rows")


@pytest.mark.parametrize("configuration", ["zookeeper", "metadata"])
def test_three_machines_one_of_which_fails(configuration, start, zookeeper, postgresql, tmp_path):
    database = postgresql.create_database()
    env = {
        "DRUID_METADATA": postgresql.jdbc_url(database),
        "DRUID_METADATA_USER": USER,
        "DRUID_METADATA_PASSWORD": PASSWORD,
        "DRUID_SHARED": str(tmp_path / "shared"),
        "DRUID_ZOOKEEPER": zookeeper.connect_string,
    }
    machines = start(configuration, *(f"127.0.8.{number}" for number in (1, 2, 3)), **env)
    check_work(machines[0], machines[1], "before")
    leader = next(machine for machine in machines if machine.is_leader())
    leader.kill()
    one, other = (machine for machine in machines if machine is not leader)
    one.wait_for(lambda: one.is_leader() or other.is_leader(), 90)
    one.wait_for(lambda: len(one.get("/druid/indexer/v1/workers")) == 2, 90)
    check_work(one, other, "after")
