"""The watch over a role and over a service (behaviours 8.5 to 8.20)."""

from __future__ import annotations

import logging

import pytest

from nemeton.common.clock import ManualClock
from nemeton.discovery.services import BaseNodeDiscoveryProvider, ServiceNodeDiscovery
from nemeton.discovery.watcher import BaseNodeRoleWatcher
from nemeton.model import NodeRole
from nemeton.testkit.suites.discovery import DATA, RecordingNodeListener, hosts, node


class Executor:
    """Runs what is due when told to; the time-out by hand."""

    def __init__(self):
        self.work = []
        self.delayed = []

    def schedule(self, fn, delay_s):
        self.delayed.append((delay_s, fn)) if delay_s else self.work.append(fn)
        return self

    def cancel(self):
        self.delayed.clear()

    def run(self):
        work, self.work = self.work, []
        for fn in work:
            fn()


class TimedOut(RecordingNodeListener):
    def node_view_initialized_timed_out(self):
        self.calls.append(("timed out", []))


@pytest.fixture
def executor():
    return Executor()


@pytest.fixture
def watcher(executor):
    return BaseNodeRoleWatcher(NodeRole.HISTORICAL, executor, ManualClock(patience_s=0.2))


def test_before_initialisation_nobody_is_told_and_then_everything_in_one_call(watcher, executor):
    listener = RecordingNodeListener()
    watcher.register_listener(listener)
    watcher.node_added(node(1))
    watcher.node_added(node(2))
    watcher.node_removed(node(1))
    assert executor.work == []
    watcher.initialized()
    assert len(executor.work) == 1
    executor.run()
    assert listener.calls == [("added", ["host:2"]), ("initialized", [])]
    watcher.node_added(node(3))
    executor.run()
    assert listener.calls[2:] == [("added", ["host:3"])]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda watcher: watcher.node_added(node(9, NodeRole.BROKER)), "is of role [broker], not [historical]"),
        (lambda watcher: watcher.node_added(node(1)), "is there already"),
        (lambda watcher: watcher.node_removed(node(9)), "was not known"),
        (lambda watcher: watcher.initialized(), "is initialized already"),
    ],
)
def test_what_cannot_be_is_an_error_and_no_call(watcher, executor, caplog, step, message):
    watcher.node_added(node(1))
    watcher.initialized()
    watcher.register_listener(RecordingNodeListener())
    executor.run()
    with caplog.at_level(logging.ERROR):
        step(watcher)
    assert message in caplog.text
    assert executor.work == []
    assert hosts(watcher.all_nodes()) == ["host:1"]


def test_a_removed_listener_hears_no_more(watcher, executor):
    listener = RecordingNodeListener()
    watcher.initialized()
    watcher.register_listener(listener)
    executor.run()
    watcher.remove_listener(listener)
    watcher.node_added(node(1))
    executor.run()
    assert listener.calls == [("added", []), ("initialized", [])]


def test_the_first_view_that_does_not_come(watcher, executor):
    early, late = TimedOut(), TimedOut()
    watcher.register_listener(early)
    watcher.node_added(node(1))
    ((delay, time_out),) = executor.delayed
    assert delay == 30.0
    time_out()
    assert hosts(watcher.all_nodes()) == ["host:1"]
    watcher.register_listener(late)
    executor.run()
    assert early.calls == late.calls == [("added", ["host:1"]), ("timed out", [])]
    watcher.node_added(node(2))
    watcher.initialized()
    executor.run()
    assert early.calls[2:] == [("added", ["host:2"]), ("initialized", [])]


def test_waiting_for_the_first_view_has_an_end(executor, caplog):
    clock = ManualClock(patience_s=5.0)
    watcher = BaseNodeRoleWatcher(NodeRole.HISTORICAL, executor, clock)
    watcher.node_added(node(1))
    clock.advance(31)
    with caplog.at_level(logging.INFO):
        assert hosts(watcher.all_nodes()) == ["host:1"]
    assert "may be incomplete" in caplog.text


@pytest.fixture
def service():
    return ServiceNodeDiscovery("dataNodeService", 2)


def test_a_service_is_initialised_when_all_roles_are(service, caplog):
    listener = RecordingNodeListener()
    service.register_listener(listener)
    service.upstream.node_view_initialized()
    assert listener.calls == []
    service.upstream.node_view_initialized()
    assert listener.calls == [("initialized", [])]
    with caplog.at_level(logging.ERROR):
        service.upstream.node_view_initialized()
    assert "more roles are initialized than there are" in caplog.text
    assert listener.calls == [("initialized", [])]


def test_a_role_that_is_never_read_keeps_no_service_waiting_for_ever(executor):
    clock = ManualClock()
    watchers = {}

    class Provider(BaseNodeDiscoveryProvider):
        def watch(self, role):
            watchers[role] = BaseNodeRoleWatcher(role, executor, clock)
            return watchers[role]

    class Listener(RecordingNodeListener):
        def node_view_initialized_timed_out(self):
            self.calls.append(("timed out", []))

    listener = Listener()
    Provider().get_for_service("workerNodeService").register_listener(listener)
    in_time, late = watchers.values()
    in_time.initialized()
    late._initialization_timed_out()
    executor.run()
    assert listener.calls == [("timed out", [])]
    late.initialized()
    executor.run()
    assert listener.calls == [("timed out", [])], "it has counted already"


def test_a_service_ignores_who_lacks_it_and_who_is_known(service, caplog):
    listener = RecordingNodeListener()
    service.register_listener(listener)
    service.upstream.nodes_added([node(1, NodeRole.PEON, DATA), node(2)])
    with caplog.at_level(logging.DEBUG):
        service.upstream.nodes_added([node(1, NodeRole.HISTORICAL, DATA), node(2)])
        service.upstream.nodes_removed([node(3, NodeRole.PEON, DATA)])
    assert "is known already; kept as it was" in caplog.text
    assert "offers no service" in caplog.text
    assert "but was not known" in caplog.text
    assert listener.calls == [("added", ["host:1"])]
    assert [each.node_role for each in service.all_nodes()] == [NodeRole.PEON]
    service.upstream.nodes_removed([node(1, NodeRole.PEON, DATA), node(4, NodeRole.PEON, DATA)])
    assert listener.calls == [("added", ["host:1"]), ("removed", ["host:1"])]


def test_a_late_listener_of_a_service_is_told_at_once(service):
    service.upstream.nodes_added([node(1, NodeRole.PEON, DATA)])
    early = RecordingNodeListener()
    service.register_listener(early)
    assert early.calls == [("added", ["host:1"])]
    for _ in range(2):
        service.upstream.node_view_initialized()
    late = RecordingNodeListener()
    service.register_listener(late)
    assert late.calls == [("added", ["host:1"]), ("initialized", [])]


def test_a_failing_listener_of_a_service(service):
    failing, good = RecordingNodeListener(fails=True), RecordingNodeListener()
    service.register_listener(failing)
    service.register_listener(good)
    service.upstream.nodes_added([node(1, NodeRole.PEON, DATA)])
    assert good.calls == [("added", ["host:1"])]


def test_a_service_cannot_listen_to_itself(service):
    with pytest.raises(ValueError, match="cannot listen"):
        service.register_listener(service.upstream)
