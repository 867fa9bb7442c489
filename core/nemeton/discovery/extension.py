"""Core's kinds of discovery and leader selection."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def discoveries() -> list[type | LazyType]:
    """Among the roles of a process, from a fixed list, and over ZooKeeper."""
    return [
        lazy("curator", "nemeton.discovery.zookeeper.curator:CuratorDiscovery", "zk"),
        lazy("local", "nemeton.discovery.local:LocalDiscovery"),
        lazy("static", "nemeton.discovery.static:StaticDiscovery"),
    ]


@hookimpl
def leader_selectors() -> list[type | LazyType]:
    """Among the roles of a process, and over ZooKeeper."""
    return [
        lazy("curator", "nemeton.discovery.zookeeper.curator:CuratorLeaderSelection", "zk"),
        lazy("local", "nemeton.discovery.local:LocalLeaderSelection"),
    ]
