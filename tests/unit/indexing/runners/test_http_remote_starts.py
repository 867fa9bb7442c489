"""How the runner ``httpRemote`` starts, stops, and starts again, as Overlords that come to lead do."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace

import pytest

from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.local import LocalNodeDiscoveryProvider
from nemeton.indexing.overlord.runners.http_remote.worker import HttpWorkerHolder
from nemeton.model import TaskStatus, Worker
from nemeton.testkit.waiting import eventually


def test_a_second_start_waits_for_discovery_too(fleet, cluster):
    """An Overlord that leads again must hear of the workers first, or it gives their tasks to others."""
    worker = fleet.add_worker(hold=True)
    cluster.hub.announce(worker.node)
    worker.run({"id": "a", "type": "noop"})
    cluster.storage.statuses["a"] = TaskStatus.running("a")
    discovery, told = ScheduledExecutor("slow-discovery"), threading.Event()
    discovery.schedule(told.wait, 0)
    runner = cluster.runner(discovery=LocalNodeDiscoveryProvider(cluster.hub, discovery, cluster.clock))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(runner.start)
        eventually(lambda: runner._discovery is not None, "it starts")
        runner.stop()
        with pytest.raises(RuntimeError):
            first.result(20)
        second = pool.submit(runner.start)
        assert not wait([second], 0.2).done
        told.set()
        second.result(20)
    assert [item.task_id for item in runner.get_running_tasks()] == ["a"]
    runner.stop()
    discovery.shutdown()


def test_a_worker_that_goes_while_it_begins_to_be_followed_is_not_followed(start, fleet):
    worker = fleet.add_worker()
    runner = start()
    holder = HttpWorkerHolder(Worker("http", worker.host, "127.0.0.1", 1, "0", "any"), 0, runner._on_sync)
    runner._follow(holder)
    assert holder.syncer.debug_info()["syncScheduled"] is False


def test_a_start_that_is_given_up_leaves_nobody_listening(fleet, cluster, monkeypatch):
    """The stop may come before the start has anything to end."""
    runner = cluster.runner()
    listeners = cluster.runner()._nodes.get_for_service("workerNodeService")
    monkeypatch.setattr(runner, "_nodes", SimpleNamespace(get_for_service=lambda _: listeners))
    find_workers = runner._find_workers

    def stopped_first(life):
        runner.stop()
        find_workers(life)

    monkeypatch.setattr(runner, "_find_workers", stopped_first)
    removed = []
    monkeypatch.setattr(listeners, "remove_listener", removed.append)
    with pytest.raises(RuntimeError):
        runner.start()
    assert len(removed) == 1
