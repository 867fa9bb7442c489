"""Monitors: chosen by our names and by Druid's, run once per period, none in the way of another."""

from __future__ import annotations

import logging
import os
import socket

import pytest
from tests.unit.emitter.receiver import Receiver

from nemeton.common.clock import Clock, ManualClock, SystemClock
from nemeton.common.errors import DruidException
from nemeton.config import JsonConfigurator, Properties
from nemeton.emitter.http_config import HttpEmitterConfig
from nemeton.emitter.http_emitter import HttpPostEmitter
from nemeton.emitter.module import EmitterModule
from nemeton.emitter.monitors.deltas import Deltas
from nemeton.emitter.monitors.emitters import HttpEmittingMonitor
from nemeton.emitter.monitors.heartbeat import HeartbeatTags, ServiceStatusMonitor
from nemeton.emitter.monitors.names import MEANINGLESS
from nemeton.emitter.monitors.process import ProcessMonitor
from nemeton.emitter.monitors.scheduler import MonitorScheduler
from nemeton.emitter.monitors.system import CATEGORIES, SystemMonitor, SystemMonitorConfig
from nemeton.inject import Injector, Module
from nemeton.json import Json
from nemeton.lifecycle import Lifecycle
from nemeton.model import DruidNode, NodeRole
from nemeton.plugins import json_type, load_extensions
from nemeton.server.builtin import BUILTIN_EXTENSIONS
from nemeton.spi.emitter import Emitter, ExtraServiceDimensions, MetricEvent
from nemeton.spi.monitors import Monitor
from nemeton.testkit.waiting import eventually


class Metrics:
    """Takes what monitors measure."""

    def __init__(self):
        self.events = []

    def emit_metric(self, name, value, **dims):
        self.events.append((name, value, dims))

    def values(self):
        return {name: value for name, value, _ in self.events}

    def names(self):
        return {name for name, _, _ in self.events}


@json_type("kept")
class Kept(Emitter):
    events: list = []  # noqa: RUF012 - the test looks at it

    def emit(self, event):
        self.events.append(event)


@json_type("ticking")
class Ticking(Monitor):
    def __init__(self):
        self.calls = []

    def start(self):
        self.calls.append("start")

    def monitor(self, metrics):
        self.calls.append("monitor")
        metrics.emit_metric("acme/ticks", len(self.calls))

    def stop(self):
        self.calls.append("stop")


@json_type("failing")
class Failing(Monitor):
    def monitor(self, metrics):
        raise ValueError("cannot measure")


@json_type("elsewhere")
class Elsewhere(Ticking):
    roles = ("historical",)


class OnlyElsewhere:
    """What an Overlord has not."""


@json_type("needy")
class Needy(Ticking):
    def __init__(self, elsewhere: OnlyElsewhere):
        raise AssertionError(elsewhere)


@json_type("nowhere")
class NotInOverlords(Ticking):
    not_in = ("overlord",)


@pytest.fixture
def registry():
    loaded = load_extensions({"druid.extensions.loadList": "[]"}, BUILTIN_EXTENSIONS).registry
    loaded.add("emitters", Kept)
    for cls in (Ticking, Failing, Elsewhere, NotInOverlords, Needy):
        loaded.add("monitors", cls)
    Kept.events = []
    return loaded


class Overlord(Module):
    def configure(self, binder):
        binder.bind_set(NodeRole).add(instance=NodeRole.OVERLORD)
        binder.bind_set(ExtraServiceDimensions).add(instance=ExtraServiceDimensions({"rack": "7"}))


@pytest.fixture
def make(registry):
    started = []

    def make(monitors, emitter="kept", clock=None, **more):
        converter = Json(registry)
        properties = {"druid.emitter": emitter, "druid.monitoring.monitors": monitors, **more}
        lifecycle = Lifecycle("test")
        injector = Injector(
            [EmitterModule(), Overlord()],
            lifecycle=lifecycle,
            configurator=JsonConfigurator(Properties(properties), converter),
            given={Clock: clock or SystemClock(), Json: converter, DruidNode: DruidNode("druid/overlord", "h", 8090)},
        )
        lifecycle.start()
        started.append(lifecycle)
        return injector.get(MonitorScheduler)

    yield make
    for lifecycle in started:
        lifecycle.stop()


def names_of(scheduler):
    return [type(each).__name__ for each in scheduler.monitors]


def test_monitors_are_named_as_in_druid_or_shortly_and_made_once(make):
    scheduler = make(
        '["org.apache.druid.java.util.metrics.JvmMonitor", "process", "JvmThreadsMonitor",'
        ' "org.apache.druid.server.metrics.ServiceStatusMonitor", "ticking",'
        ' "org.apache.druid.server.emitter.HttpEmittingMonitor", "org.apache.druid.java.util.metrics.OshiSysMonitor"]'
    )
    assert names_of(scheduler) == [
        "ProcessMonitor",
        "ServiceStatusMonitor",
        "Ticking",
        "HttpEmittingMonitor",
        "SystemMonitor",
    ]


def test_those_without_meaning_are_left_out_with_one_line(make, caplog):
    caplog.set_level(logging.INFO)
    scheduler = make(
        '["org.apache.druid.java.util.metrics.CgroupCpuMonitor", "org.apache.druid.client.cache.AvaticaMonitor"]'
    )
    assert scheduler.monitors == []
    lines = [each.getMessage() for each in caplog.records if "left out" in each.getMessage()]
    assert lines == [
        "These monitors of Druid have nothing to measure here and are left out: CgroupCpuMonitor, AvaticaMonitor"
    ]


def test_every_monitor_of_druids_manual_is_known(registry):
    """The list in Druid's configuration reference, and the classes of the same kind that it does not list."""
    # fmt: off
    listed = (
        "CacheMonitor", "OshiSysMonitor", "JvmMonitor", "JvmCpuMonitor", "CpuAcctDeltaMonitor", "JvmThreadsMonitor",
        "CgroupCpuMonitor", "CgroupCpuSetMonitor", "CgroupDiskMonitor", "CgroupMemoryMonitor", "CgroupV2CpuMonitor",
        "CgroupV2CpuSetMonitor", "CgroupV2DiskMonitor", "CgroupV2MemoryMonitor", "HistoricalMetricsMonitor",
        "SegmentStatsMonitor", "QueryCountStatsMonitor", "SubqueryCountStatsMonitor", "HttpEmittingMonitor",
        "TaskCountStatsMonitor", "TaskSlotCountStatsMonitor", "SupervisorStatsMonitor",
        "WorkerTaskCountStatsMonitor", "ServiceStatusMonitor", "GroupByStatsMonitor", "SysMonitor",
        "HttpPostEmitterMonitor", "ShuffleMonitor",
    )
    # fmt: on
    for name in listed:
        assert name in MEANINGLESS or registry.get(Monitor, name)
    assert not MEANINGLESS.intersection(registry.names(Monitor))
    for name in MEANINGLESS:
        with pytest.raises(DruidException):  # what is registered is not left out
            registry.get(Monitor, name)


def test_an_unknown_name_stops_the_start_with_those_there_are(make):
    with pytest.raises(DruidException, match=r"Unknown monitor type \[FluxMonitor\]; known types are .*process"):
        make('["com.acme.FluxMonitor"]')


def test_those_of_other_roles_are_left_out(make):
    assert names_of(make('["elsewhere", "nowhere", "HistoricalMetricsMonitor", "ticking"]')) == ["Ticking"]


def test_one_that_needs_what_the_role_has_not_is_left_out_with_a_warning(make, caplog):
    assert names_of(make('["needy", "ticking"]')) == ["Ticking"]
    assert "The monitor Needy cannot be made here and is left out" in caplog.text
    assert "OnlyElsewhere" in caplog.text


def test_without_an_emitter_nothing_is_measured(make):
    scheduler = make('["ticking"]', emitter="noop")
    assert scheduler.monitors == []
    with pytest.raises(DruidException, match="Unknown monitor"):
        make('["typo"]', emitter="noop")


def test_they_run_once_per_period_and_one_that_fails_hinders_nobody(make, caplog):
    clock = ManualClock()
    scheduler = make('["failing", "ticking"]', clock=clock, **{"druid.monitoring.emissionPeriod": "PT30S"})
    ticking = scheduler.monitors[1]
    assert ticking.calls == ["start"]
    for run in (1, 2):
        clock.advance(30.1)
        eventually(lambda run=run: ticking.calls.count("monitor") == run, "the next run")
    assert "Failing failed: ValueError('cannot measure')" in caplog.text
    scheduler.stop()
    assert ticking.calls == ["start", "monitor", "monitor", "stop"]
    eventually(lambda: len(Kept.events) == 2, "their metrics")
    assert all(isinstance(each, MetricEvent) and each.metric == "acme/ticks" for each in Kept.events)


def test_modules_can_add_dimensions_to_all_metrics(make):
    make('["ticking"]').run()
    eventually(lambda: Kept.events, "the metric")
    assert Kept.events[0].dimensions == {"rack": "7"}


def test_the_default_period_is_druids(make):
    assert make("[]")._period_s == 60


# ---- the monitors that every role has


def measured(monitor, runs=2):
    for _ in range(runs):
        metrics = Metrics()
        monitor.monitor(metrics)
    return metrics


def test_the_process():
    values = measured(ProcessMonitor(SystemClock())).values()
    assert values["process/mem/rss"] > 1_000_000
    assert values["process/threads/count"] >= 1
    assert 0 < values["process/fds/count"] <= values["process/fds/max"]
    assert values["process/cpu/user"] >= 0
    assert values["process/cpu/percent"] >= 0
    assert values["process/uptime"] > 0


def test_the_machine():
    metrics = measured(SystemMonitor(SystemMonitorConfig(), SystemClock()))
    values = metrics.values()
    assert values["sys/mem/max"] == pytest.approx(values["sys/mem/used"] + values["sys/mem/free"])
    assert values["sys/mem/max"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert {"sys/swap/max", "sys/fs/used", "sys/net/read/size", "sys/uptime", "sys/la/15"} <= metrics.names()
    loopback = next(dims for name, _, dims in metrics.events if name == "sys/net/read/size" and dims["netName"] == "lo")
    assert loopback["netAddress"] == socket.gethostbyname("localhost")
    cpus = {dims["cpuName"] for name, _, dims in metrics.events if name == "sys/cpu"}
    for cpu in cpus:
        shares = [value for name, value, dims in metrics.events if name == "sys/cpu" and dims["cpuName"] == cpu]
        assert sum(shares) == pytest.approx(100)


@pytest.mark.parametrize("category", CATEGORIES)
def test_categories_can_be_chosen(category):
    metrics = measured(SystemMonitor(SystemMonitorConfig([category, "tcp"]), SystemClock()))
    start = {"sys": ("sys/uptime", "sys/la/")}.get(category, (f"sys/{category}",))
    assert all(name.startswith(start) for name in metrics.names())


def test_an_unknown_category_is_told_with_those_there_are():
    with pytest.raises(DruidException, match=r"druid\.monitoring\.sys\.categories: unknown gpu; there are mem, swap"):
        SystemMonitor(SystemMonitorConfig(["gpu"]), SystemClock())


def test_deltas_start_over_with_their_counter():
    deltas = Deltas()
    assert [deltas.of("a", value) for value in (5, 7, 7, 3, 4)] == [None, 2, 0, None, 1]
    assert deltas.of_all("g", {"x": 1, "y": 2}) == {}
    assert deltas.of_all("g", {"x": 4, "y": 2}) == {"x": 3, "y": 0}


def test_the_heartbeat_says_what_the_role_is_at_the_moment():
    class Leading(HeartbeatTags):
        def tags(self):
            return {"leader": 1}

    metrics = measured(ServiceStatusMonitor([Leading()]), runs=1)
    assert metrics.events == [("service/heartbeat", 1, {"leader": 1})]


def test_the_emitters_own_batches():
    receiver = Receiver()
    emitter = HttpPostEmitter(HttpEmitterConfig(recipient_base_url=receiver.url, flush_count=2), Json(), SystemClock())
    emitter.start()
    for number in range(5):
        emitter.emit(MetricEvent(0, "s", "h", "m", number))
    eventually(lambda: len(receiver.taken) == 2, "two batches")
    eventually(lambda: len(emitter._queue) == 0, "them to be noted")
    values = measured(HttpEmittingMonitor(emitter), runs=1).values()
    assert values["emitter/events/emitted/delta"] == 4
    assert values["emitter/events/emitQueue"] == 1
    assert values["emitter/successfulSending/count"] == 2
    assert values["emitter/successfulSending/minTimeMs"] <= values["emitter/successfulSending/maxTimeMs"]
    assert "emitter/failedSending/count" not in values
    emitter.close()
    receiver.close()
