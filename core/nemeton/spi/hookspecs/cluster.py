"""Hooks of what holds a cluster together: discovery, election, metrics."""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from nemeton.plugins import hookspec
from nemeton.spi.hookspecs.types import Types


@hookspec
def discoveries() -> Types:
    """Kinds of node discovery: `druid.discovery.type`.

    Returns classes of `nemeton.spi.DiscoveryKind`, made by the injector, one per role.

    Used by: every role; from its start on, and from any thread.

    Example::

        @hookimpl
        def discoveries():
            return [lazy("consul", "acme.consul:ConsulDiscovery")]
    """


@hookspec
def leader_selectors() -> Types:
    """Kinds of leader election: `druid.coordinator.selector.type`, `druid.indexer.selector.type`.

    Returns classes of `nemeton.spi.LeaderSelectorKind`, made by the injector.

    Used by: Coordinators and Overlords, which take part, and whoever looks for the leader.

    Example::

        @hookimpl
        def leader_selectors():
            return [lazy("consul", "acme.consul:ConsulLeaderSelectors")]
    """


@hookspec
def druid_services() -> Types:
    """What a node can announce that it offers: the `services` of a discovered node.

    Returns classes of `nemeton.model.DruidService`.

    Used by: every role, when nodes are announced and discovered.

    Example::

        @hookimpl
        def druid_services():
            return [lazy("acmeService", "acme.services:AcmeService")]
    """


@hookspec
def monitors() -> Types:
    """What is measured now and then: `druid.monitoring.monitors`.

    Returns classes of `nemeton.spi.Monitor`, made by the injector, once per role that has the monitor.

    Used by: every role whose `druid.emitter` is not `noop`; once per `druid.monitoring.emissionPeriod`, all monitors of
    a role on one thread.

    Example::

        @hookimpl
        def monitors():
            return [lazy("gpu", "acme.gpu:GpuMonitor")]
    """


@hookspec
def emitters() -> Types:
    """Places that metrics and alerts go to: `druid.emitter`.

    Returns classes of `nemeton.spi.Emitter`, made by the injector.

    Used by: every role; events come from one thread of the emitter's own, out of a bounded buffer.

    Example::

        @hookimpl
        def emitters():
            return [lazy("statsd", "acme.statsd:StatsdEmitter")]
    """
