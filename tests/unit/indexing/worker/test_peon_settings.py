"""What a peon is started with: memory, environment, properties (behaviours 24.11, 25.3)."""

# ruff: noqa: F811 - fixtures of the module beside
import os

import pytest

from nemeton.indexing.tasks.noop import NoopTask
from nemeton.indexing.worker.cgroups import PeonCgroups
from nemeton.model import DruidNode

from ..peon_kit import MemoryTask, SettingsTask, WaitTask
from ..test_forking_runner import json, logs, make_runner, noted  # noqa: F401

# ---- memory


def test_a_peon_keeps_to_its_memory(make_runner, tmp_path):
    runner = make_runner(runner_config={"peon_memory_limit": 1 << 30})
    runner.start()
    note = tmp_path / "note"
    context = {"druid.indexer.runner.peonMemoryLimit": "600MiB"}
    big = runner.run(MemoryTask(id="big", file=str(note), mebibytes=700, context=context))
    small = runner.run(MemoryTask(id="small", file=str(note), mebibytes=200, context=context))
    assert big.result(60).error_msg.startswith("The task needed more memory than it may have")
    assert small.result(60).is_success
    assert runner.run(MemoryTask(id="default", file=str(note), mebibytes=700)).result(60).is_success


def test_nonsense_in_the_context_fails_the_task(make_runner):
    runner = make_runner()
    runner.start()
    for name, value in (("peonMemoryLimit", "much"), ("peonMemoryLimit", -1), ("environment", "A=1")):
        status = runner.run(NoopTask(id="a", context={f"druid.indexer.runner.{name}": value})).result(60)
        assert status.error_msg.startswith("Failed to start the task's process: ")


class FakeKernel:
    """A delegated control group as the kernel shows it."""

    def __init__(self, folder, controllers="cpu memory pids"):
        self.root = folder / "cgroup"
        self.own = folder / "self"
        self.group = self.root / "system.slice" / "nemeton.service"
        self.group.mkdir(parents=True)
        (self.group / "cgroup.controllers").write_text(controllers)
        self.own.write_text("4:memory:/elsewhere\n0::/system.slice/nemeton.service\n")

    def open(self):
        return PeonCgroups.open(self.root, self.own)


def test_with_a_delegated_control_group_the_kernel_bounds_peons(tmp_path):
    kernel = FakeKernel(tmp_path)
    groups = kernel.open()
    assert (kernel.group / "nemeton-worker" / "cgroup.procs").read_text() == str(os.getpid())
    assert (kernel.group / "cgroup.subtree_control").read_text() == "+memory"
    group = groups.confine("77", 77, 1000)
    assert group.folder == kernel.group / "peon-77"
    assert (group.folder / "memory.max").read_text() == "1000"
    assert (group.folder / "cgroup.procs").read_text() == "77"
    assert not group.was_exceeded()
    (group.folder / "memory.events").write_text("low 0\nmax 12\noom 1\noom_kill 0\n")
    assert not group.was_exceeded()
    (group.folder / "memory.events").write_text("low 0\nmax 12\noom 1\noom_kill 1\n")
    assert group.was_exceeded()
    for file in group.folder.iterdir():  # the kernel's files go with the folder
        file.unlink()
    group.remove()
    assert not group.folder.exists()
    kernel.own.write_text("0::/system.slice/nemeton.service/nemeton-worker\n")
    assert kernel.open()._folder == kernel.group


@pytest.mark.parametrize("break_it", ["controllers", "no v2", "not delegated"])
def test_without_one_peons_bound_themselves(tmp_path, break_it):
    kernel = FakeKernel(tmp_path, controllers="cpu" if break_it == "controllers" else "memory")
    if break_it == "no v2":
        kernel.own.write_text("4:memory:/elsewhere\n")
    if break_it == "not delegated":
        (kernel.group / "nemeton-worker").write_text("no folder")
    assert kernel.open() is None


def test_a_peon_that_the_kernel_ends_for_its_memory_says_so(make_runner, tmp_path):
    runner = make_runner(kill_timeout=0.1)
    runner.start()

    class Group:
        def was_exceeded(self):
            return True

        def remove(self):
            pass

    confined = []
    runner._cgroups = type(
        "Groups", (), {"confine": lambda _, name, pid, limit: (confined.append((pid, limit)), Group())[1]}
    )()
    note = tmp_path / "note"
    future = runner.run(WaitTask(id="a", file=str(note), context={"druid.indexer.runner.peonMemoryLimit": "600MiB"}))
    pid = int(noted(note)[0].split()[0])
    os.kill(pid, 9)
    assert future.result(30).error_msg == f"Task needed more than [{600 << 20}] bytes of memory"
    assert confined == [(pid, 600 << 20)]


# ---- environment and properties


def test_a_task_may_run_at_a_lower_priority(make_runner, tmp_path, logs):
    runner = make_runner(capacity=1)
    runner.start()
    note = tmp_path / "note"
    for number, priority in enumerate((None, -2, 3, "high")):
        context = {} if priority is None else {"backgroundThreadPriority": priority}
        task = SettingsTask(id=f"t{number}", file=str(note), names=["nice"], context=context)
        assert runner.run(task).result(60).is_success
    assert noted(note) == ["nice=0", "nice=10", "nice=0", "nice=0"]
    assert b"Error parsing task priority [high]" in b"".join(logs.stream_task_log("t3"))


@pytest.mark.parametrize("template", [True, False])
def test_each_task_has_its_own_environment_and_properties(make_runner, tmp_path, template):
    runner = make_runner(
        template=template,
        runner_config={"environment": {"FROM_CONFIG": "1", "BOTH": "1"}},
        properties={"druid.indexer.fork.property.druid.processing.numThreads": "3", "secret.of.the.worker": "x"},
        node=DruidNode("druid/mm", "localhost", plaintext_port=8091),
    )
    runner.start()
    names = (
        "FROM_CONFIG",
        "BOTH",
        "druid.processing.numThreads",
        "druid.server.priority",
        "secret.of.the.worker",
        "druid.task.executor.service",
        "druid.task.executor.plaintextPort",
        "druid.task.executor.enableTlsPort",
        "druid.metrics.emitter.dimension.dataSource",
        "druid.metrics.emitter.dimension.taskId",
        "druid.metrics.emitter.dimension.taskType",
        "druid.metrics.emitter.dimension.groupId",
        "druid.indexer.task.baseTaskDir",
    )
    context = {
        "druid.indexer.runner.environment": {"BOTH": 2},
        "druid.indexer.fork.property.druid.server.priority": 5,
    }
    note = tmp_path / "note"
    task = SettingsTask(id="a", group_id="g", data_source="d", file=str(note), names=names, context=context)
    assert runner.run(task).result(60).is_success
    assert noted(note) == [
        "FROM_CONFIG=1",
        "BOTH=2",
        "druid.processing.numThreads=3",
        "druid.server.priority=5",
        "secret.of.the.worker=None",
        "druid.task.executor.service=druid/mm",
        "druid.task.executor.plaintextPort=8091",
        "druid.task.executor.enableTlsPort=false",
        "druid.metrics.emitter.dimension.dataSource=d",
        "druid.metrics.emitter.dimension.taskId=a",
        "druid.metrics.emitter.dimension.taskType=testSettings",
        "druid.metrics.emitter.dimension.groupId=g",
        f"druid.indexer.task.baseTaskDir={tmp_path}/tasks/slot0",
    ]
