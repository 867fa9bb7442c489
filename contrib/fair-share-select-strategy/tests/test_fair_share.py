from __future__ import annotations

import pytest

from nemeton.common.errors import DruidException
from nemeton.spi import WorkerSelectStrategy, WorkerTaskRunnerConfig
from nemeton.testkit.suites.worker_select import WorkerSelectStrategySuite, by_host, make_task, make_worker
from nemeton_fair_share_select_strategy.strategy import FairShareWorkerSelectStrategy as FairShare

CONFIG = WorkerTaskRunnerConfig()


class TestPromises(WorkerSelectStrategySuite):
    @pytest.fixture
    def strategy(self):
        return FairShare()


def flights(*numbers: int) -> list[str]:
    return [f"index_parallel_flights_abcdefgh_{number}" for number in numbers]


def chosen(strategy, *workers):
    found = strategy.find_worker(CONFIG, by_host(*workers), make_task(data_source="flights"))
    return found and found.worker.host


def test_the_worker_with_the_fewest_tasks_of_the_data_source():
    busy = make_worker("a:8091", running=flights(1, 2))
    other = make_worker("b:8091", running=["index_trains_abcdefgh_1", "index_trains_abcdefgh_2", *flights(3)])
    assert chosen(FairShare(), busy, other) == "b:8091"


def test_of_equals_the_one_with_the_most_room_and_then_the_first():
    small, large, same = make_worker("a:8091", capacity=2), make_worker("b:8091"), make_worker("c:8091")
    assert chosen(FairShare(), same, small, large) == "b:8091"


def test_a_task_waits_when_all_have_their_share():
    workers = make_worker("a:8091", running=flights(1)), make_worker("b:8091", running=flights(2))
    assert chosen(FairShare(max_per_datasource=1), *workers) is None
    assert chosen(FairShare(max_per_datasource=2), *workers) == "a:8091"


def test_tasks_are_spread_evenly():
    running = {"a:8091": [], "b:8091": [], "c:8091": []}
    for number in range(6):
        workers = [make_worker(host, running=tasks) for host, tasks in running.items()]
        running[chosen(FairShare(), *workers)] += flights(number)
    assert {len(tasks) for tasks in running.values()} == {2}


def test_its_json(nemeton_extensions):
    json = nemeton_extensions("fair-share-select-strategy").json
    assert json.structure({"type": "fairShare", "maxPerDatasource": 2}, WorkerSelectStrategy) == FairShare(2)
    assert json.structure({"type": "fairShare"}, WorkerSelectStrategy) == FairShare(4)
    with pytest.raises(DruidException, match=r"max_?[pP]er_?[dD]atasource"):
        json.structure({"type": "fairShare", "maxPerDatasource": 0}, WorkerSelectStrategy)


def test_the_overlord_takes_it(nemeton_cluster):
    import json
    from urllib.request import Request, urlopen

    config = {"type": "default", "selectStrategy": {"type": "fairShare", "maxPerDatasource": 2}}
    cluster = nemeton_cluster(
        properties={"druid.extensions.loadList": '["fair-share-select-strategy"]'}, roles=("overlord",)
    )
    address = f"{cluster.url('overlord')}/druid/indexer/v1/worker"
    urlopen(Request(address, json.dumps(config).encode(), {"Content-Type": "application/json"}), timeout=30).close()
    with urlopen(address, timeout=30) as answer:
        assert json.load(answer)["selectStrategy"] == config["selectStrategy"]
