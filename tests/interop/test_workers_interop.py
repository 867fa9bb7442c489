"""Our select and provisioning strategies against Druid's own, on the same clusters and courses of events."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.indexing.provisioning.fakes import FakeScaler, WorkersRunner, context_of
from tests.unit.indexing.test_strategies import any_strategy, clusters, configs, tasks

from nemeton.common.clock import ManualClock
from nemeton.indexing.overlord.provisioning.config import (
    PendingTaskBasedWorkerProvisioningConfig,
    SimpleWorkerProvisioningConfig,
)
from nemeton.indexing.overlord.provisioning.pending_tasks import PendingTaskBasedProvisioner
from nemeton.indexing.overlord.provisioning.simple import SimpleProvisioner
from nemeton.indexing.overlord.strategies import (
    EqualDistributionWorkerSelectStrategy,
    FillCapacityWorkerSelectStrategy,
)
from nemeton.json import Json
from nemeton.spi.indexing import WorkerSelectStrategy
from nemeton.spi.provisioning import AutoScalingData
from nemeton.testkit.isolation import load_isolated
from nemeton.time import Period

SOURCE = Path(__file__).parent / "workers" / "WorkersJudge.java"
pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("java")]
MANY = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])


class Judge:
    """The judge's process, asked line by line."""

    def __init__(self, command):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)


@pytest.fixture(scope="module")
def judge(real_druid, tmp_path_factory):
    classes = tmp_path_factory.mktemp("judge")
    jars = f"{real_druid.home / 'druid' / 'lib'}/*"
    subprocess.run(["javac", "-nowarn", "-d", classes, "-cp", jars, SOURCE], check=True, timeout=120)
    (classes / "log4j2.xml").write_text('<Configuration><Loggers><Root level="off"/></Loggers></Configuration>')
    made = Judge(["java", "-Xmx256m", "-cp", f"{classes}:{jars}", "WorkersJudge"])
    yield made
    made.close()


@pytest.fixture(scope="module")
def ours() -> Json:
    return load_isolated().json


# ---- whom a strategy picks


@MANY
@given(strategy=any_strategy, workers=clusters, task=tasks, config=configs)
def test_a_strategy_picks_whom_druids_would(judge, ours, strategy, workers, task, config):
    answer = judge.ask(
        {
            "strategy": ours.unstructure(strategy),
            "config": ours.unstructure(config),
            "workers": [ours.unstructure(info) for info in workers.values()],
            "task": {
                "id": task.id,
                "type": task.type,
                "dataSource": task.data_source,
                "group": task.resource.availability_group,
                "slots": task.resource.required_capacity,
            },
        }
    )
    found = strategy.find_worker(config, workers, task)
    theirs = workers[answer["host"]] if answer["host"] is not None else None
    assert (found is None) == (theirs is None)
    if found is not None:  # of equal workers Druid takes any
        merits = [(info.available_capacity, info.curr_capacity_used) for info in (found, theirs)]
        index = 1 if type(strategy).__name__.startswith("Fill") else 0
        assert merits[0][index] == merits[1][index]
    assert _unordered(answer["strategy"]) == _unordered(ours.unstructure(strategy))


def _unordered(value):
    """Druid keeps the workers of an affinity as sets."""
    if isinstance(value, dict):
        return {name: _unordered(each) for name, each in value.items()}
    return sorted(value) if isinstance(value, list) else value


# ---- what a provisioning strategy does


class Course:
    """The same course of events as the judge's, here."""

    def __init__(self, request, json):
        self.request = request
        self.clock = ManualClock()
        self.runner = WorkersRunner(self.clock)
        self.calls = []
        self.coming = []
        self.going = []
        scaler = _NotingScaler(self, request["min"], request["max"])
        context = context_of(scaler, self.clock, json.structure(request["strategy"], WorkerSelectStrategy))
        kind, config = _KINDS[request["kind"]]
        self.provisioner = kind(self.runner, json.structure(request["config"], config), context)

    def run(self):
        for event in self.request["events"]:
            self.happen(*event)
        return self.calls

    def happen(self, what, *arguments):
        if what == "task":
            self.runner.add_pending(waits_s=0)
        elif what == "task ends":
            if self.runner.pending:
                self.runner.pending.pop(next(iter(self.runner.pending)))
        elif what == "advance":
            self.clock.advance(arguments[0] / 1000)
        elif what == "boot":
            for ip in self.coming:
                self.runner.add_worker(ip, capacity=self.request["capacity"])
            self.coming.clear()
        elif what == "gone":
            for ip in dict.fromkeys(self.going):
                self.runner.remove_worker(ip)
            self.going.clear()
        elif what == "worker":
            self._change_worker(*arguments)
        else:
            self.calls.append([what, getattr(self.provisioner, what)()])

    def _change_worker(self, ip, used, version):
        known = self.runner.workers.get(f"{ip}:8091")
        idle_s = (self.clock.now() - known.last_completed_task_time) / 1000 if known else 0
        self.runner.add_worker(ip, used=used, version=version, capacity=self.request["capacity"], idle_s=idle_s)


class _NotingScaler(FakeScaler):
    def __init__(self, course, fewest, most):
        super().__init__(fewest, most)
        self.course = course

    def provision(self):
        ip = f"new{next(self._numbers)}"
        self.course.coming.append(ip)
        self.course.calls.append(["made", ip])
        return AutoScalingData([f"node-{ip}"])

    def terminate(self, addresses):
        self.course.going += addresses
        self.course.calls.append(["ended", list(addresses)])
        return AutoScalingData(self.ip_to_id_lookup(addresses))

    def terminate_with_ids(self, ids):
        self.course.coming = [ip for ip in self.course.coming if f"node-{ip}" not in ids]
        self.course.calls.append(["given up", sorted(ids)])
        return AutoScalingData(sorted(ids))


_KINDS = {
    "simple": (SimpleProvisioner, SimpleWorkerProvisioningConfig),
    "pending": (PendingTaskBasedProvisioner, PendingTaskBasedWorkerProvisioningConfig),
}
MINUTES = (0, 1, 16, 91)
IPS = ("a", "b", "new0", "new1")
event = st.one_of(
    st.sampled_from([("task",), ("task",), ("task ends",), ("boot",), ("gone",)]),
    st.sampled_from([("provision",), ("terminate",)]),
    st.sampled_from([("provision",), ("terminate",)]),
    st.tuples(st.just("advance"), st.sampled_from([minutes * 60_000 for minutes in MINUTES])),
    st.tuples(st.just("worker"), st.sampled_from(IPS), st.integers(0, 2), st.sampled_from(["1", "1", "0"])),
)


@st.composite
def courses(draw):
    fewest = draw(st.integers(0, 2))
    config = {"workerVersion": "1", "workerIdleTimeout": "PT90M", "pendingTaskTimeout": "PT30S"}
    kind = draw(st.sampled_from(["simple", "pending"]))
    if kind == "pending":
        hint, step = draw(st.sampled_from([-1, 2])), draw(st.integers(1, 4))
        config |= {"workerCapacityHint": hint, "maxScalingStep": step}
    strategy = draw(st.sampled_from([EqualDistributionWorkerSelectStrategy, FillCapacityWorkerSelectStrategy]))
    return {
        "kind": kind,
        "config": config,
        "strategy": {"type": strategy.__json_type__[0]},
        "min": fewest,
        "max": fewest + draw(st.integers(-1, 4)),
        "capacity": 2,
        "events": draw(st.lists(event, max_size=40)),
    }


@MANY
@given(course=courses())
def test_a_provisioning_strategy_does_what_druids_would(judge, ours, course):
    assert Course(course, ours).run() == judge.ask(course)


def test_the_courses_make_and_end_workers(judge, ours):
    """A course that does not depend on luck."""
    course = {
        "kind": "pending",
        "config": {"workerVersion": "1", "workerIdleTimeout": str(Period(minutes=90))},
        "strategy": {"type": "equalDistribution"},
        "min": 1,
        "max": 3,
        "capacity": 2,
        "events": [
            ("provision",), ("boot",), ("worker", "new0", 2, "1"), ("task",), ("task",), ("task",), ("provision",),
            ("boot",), ("provision",), ("advance", 91 * 60_000), ("worker", "new0", 0, "1"),
            ("terminate",), ("gone",), ("terminate",),
        ],
    }  # fmt: skip
    calls = judge.ask(course)
    assert Course(course, ours).run() == calls
    assert [call for call in calls if call[0] == "made"] == [["made", "new0"], ["made", "new1"], ["made", "new2"]]
    assert [call for call in calls if call[0] == "ended"] == [["ended", ["new0", "new1"]]]
