"""An Overlord in a process of its own, to be killed: ``python -m tests.unit.indexing.overlord_process BASE PORT``."""

import sys
import threading

from tests.servers.ports import free_ports

from nemeton.config import Properties
from nemeton.indexing.worker.forking import ForkingTaskRunner
from nemeton.server import process as server_process
from nemeton.server.roles import ROLES

from .peon_kit import TEST_TASKS


def main(base, port):
    load = server_process.load_extensions

    def load_with_test_tasks(*args, **more):
        extensions = load(*args, **more)
        for cls in TEST_TASKS:
            extensions.registry.add("task_types", cls, "tests")
        return extensions

    server_process.load_extensions = load_with_test_tasks
    ForkingTaskRunner.peon_injector = "tests.unit.indexing.peon_kit:make_injector"
    properties = {
        "druid.plaintextPort": port,
        "druid.extensions.loadList": "[]",
        "druid.metadata.storage.connector.connectURI": f"sqlite:///{base}/metadata.db",
        "druid.indexer.task.baseTaskDir": f"{base}/tasks",
        "druid.storage.storageDirectory": f"{base}/segments",
        "druid.indexer.logs.directory": f"{base}/logs",
        "druid.indexer.runner.startPort": str(free_ports(40)),
    }
    server_process.ServerProcess([server_process.RoleSettings(ROLES["overlord"], Properties(properties))]).start()
    print("started", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
