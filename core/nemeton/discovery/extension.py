"""Core's kinds of discovery and leader selection."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def discoveries() -> list[type | LazyType]:
    """Among the roles of a process, from a fixed list, over ZooKeeper, and through the metadata store."""
    return [
        lazy("curator", "nemeton.discovery.zookeeper.curator:CuratorDiscovery", "zk"),
        lazy("local", "nemeton.discovery.local:LocalDiscovery"),
        lazy("metadata", "nemeton.discovery.metadata.kinds:MetadataDiscovery"),
        lazy("static", "nemeton.discovery.static:StaticDiscovery"),
    ]


@hookimpl
def leader_selectors() -> list[type | LazyType]:
    """Among the roles of a process, over ZooKeeper, and by leases in the metadata store."""
    return [
        lazy("curator", "nemeton.discovery.zookeeper.curator:CuratorLeaderSelection", "zk"),
        lazy("local", "nemeton.discovery.local:LocalLeaderSelection"),
        lazy("metadata", "nemeton.discovery.metadata.kinds:MetadataLeaderSelection"),
    ]
