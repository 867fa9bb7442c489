"""When provisioning happens, and which strategy is at work."""

import itertools
from types import SimpleNamespace

import pytest

from nemeton.common.clock import Clock, ManualClock
from nemeton.config import ConfigurationError, JsonConfigurator, Properties
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.overlord.provisioning.config import ProvisioningSchedulerConfig
from nemeton.indexing.overlord.provisioning.module import ProvisioningModule
from nemeton.indexing.overlord.provisioning.noop import NoopProvisioningStrategy
from nemeton.indexing.overlord.provisioning.pending_tasks import PendingTaskBasedWorkerProvisioningStrategy
from nemeton.indexing.overlord.provisioning.service import WorkerProvisioningService
from nemeton.indexing.overlord.provisioning.simple import SimpleWorkerProvisioningStrategy
from nemeton.inject import Injector, Module
from nemeton.json import Json
from nemeton.lifecycle import Lifecycle
from nemeton.metadata.dynamic_config import ConfigManager
from nemeton.model import DruidNode
from nemeton.spi.provisioning import ProvisioningStrategy, ScalingStats
from nemeton.testkit.waiting import eventually
from nemeton.time import Period, parse_datetime

from .fakes import FakeScaler, context_of

NOW = parse_datetime("2025-06-01T10:03:00Z")


class Recorder:
    """A provisioner that notes the seconds at which it is called, and always fails."""

    def __init__(self, clock):
        self.clock = clock
        self.stats = ScalingStats(5, clock)
        self.calls = []
        self.closed = False

    def _note(self, what):
        self.calls.append((what, round((self.clock.now() - NOW) / 1000)))
        raise OSError("the provider of machines is away")

    def provision(self):
        self._note("provision")

    def terminate(self):
        self._note("terminate")

    def close(self):
        self.closed = True


@pytest.fixture
def clock():
    return ManualClock(NOW)


def test_it_provisions_each_period_and_terminates_at_the_origins_multiples_whatever_fails(clock):
    recorder = Recorder(clock)
    config = ProvisioningSchedulerConfig(provision_period=Period(minutes=4), terminate_period=Period(minutes=30))
    service = WorkerProvisioningService(recorder, context_of(FakeScaler(), clock, scheduler=config))
    for second in range(0, 60 * 60, 60):
        expected = second // 300 + (second >= 22 * 60) + (second >= 52 * 60)
        eventually(lambda: len(recorder.calls) >= expected, "what is due has happened")  # noqa: B023
        clock.advance(60)
    service.close()
    assert recorder.closed
    provisions = [at for what, at in recorder.calls if what == "provision"]
    assert all(240 <= later - earlier <= 300 for earlier, later in itertools.pairwise([0, *provisions]))
    # 10:25 and 10:55, as the origin 00:55 and 30 minutes have it; a clock that jumps by minutes may be a minute late
    assert [at // 120 for what, at in recorder.calls if what == "terminate"] == [11, 26]
    seen = list(recorder.calls)
    clock.advance(3600)
    assert recorder.calls == seen
    assert service.stats() is recorder.stats


@pytest.fixture
def strategy_of(json, clock):
    """The strategy that an Overlord of these properties has."""

    configs = SimpleNamespace(watch=lambda key, watcher: None)

    class Surroundings(Module):
        def configure(self, binder):
            binder.bind(Json, instance=json)
            binder.bind(Clock, instance=clock)
            binder.bind(DruidNode, instance=DruidNode("druid/overlord"))
            binder.bind(ServiceEmitter, instance=ServiceEmitter())
            binder.bind(ConfigManager, instance=configs)

    def make(**properties):
        named = {f"druid.indexer.autoscale.{name}": value for name, value in properties.items()}
        configurator = JsonConfigurator(Properties(named), json)
        return Injector(
            [ProvisioningModule(), Surroundings()], configurator=configurator, lifecycle=Lifecycle("overlord")
        ).get(ProvisioningStrategy)

    return make


def test_without_do_autoscale_nothing_is_provisioned(strategy_of):
    strategy = strategy_of(**{"strategy.type": "pendingTaskBased"})
    assert isinstance(strategy, NoopProvisioningStrategy)
    service = strategy.make_provisioning_service(None)
    assert service.stats() is None
    service.close()


def test_the_property_picks_the_strategy(strategy_of):
    assert isinstance(strategy_of(doAutoscale="true"), SimpleWorkerProvisioningStrategy)
    chosen = strategy_of(doAutoscale="true", maxScalingStep="2", **{"strategy.type": "pendingTaskBased"})
    assert isinstance(chosen, PendingTaskBasedWorkerProvisioningStrategy)
    with pytest.raises(ConfigurationError, match=r"pendingTaskBased, simple"):
        strategy_of(**{"strategy.type": "bogus"})
    with pytest.raises(ConfigurationError, match="originTime"):
        strategy_of(originTime="yesterday")
