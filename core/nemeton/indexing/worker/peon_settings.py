"""What a peon is started with: properties, environment, bounds. From the worker's configuration and the task's context.

``settings.json`` in the folder of the attempt holds them, for the owner only: there may be passwords among them.
"""

from __future__ import annotations

import json as plain_json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.common.files import write_atomically
from nemeton.common.units import parse_bytes
from nemeton.config import Properties
from nemeton.indexing.worker.config import ForkingTaskRunnerConfig
from nemeton.indexing.worker.parent_discovery import properties_for_child
from nemeton.indexing.worker.shuffle.locations import locations_property
from nemeton.indexing.worker.task_dirs import TaskDir
from nemeton.indexing.worker.task_slots import StorageSlot
from nemeton.model import DruidNode
from nemeton.spi.discovery import DruidNodeDiscoveryProvider
from nemeton.spi.indexing import Task, TaskConfig

_RUNNER = "druid.indexer.runner."
_FORK = "druid.indexer.fork.property."
#: Properties of the worker that would say something else of the peon than the peon's own.
_NOT_FOR_PEONS = frozenset({"druid.port"})


@frozen(kw_only=True)
class PeonSettings:
    """See the module. ``memory_limit`` in bytes, 0 for none."""

    properties: dict[str, str]
    injector: str
    environment: dict[str, str] = field(factory=dict)
    memory_limit: int = 0

    def write(self, task_dir: TaskDir, attempt: int, *, limits_itself: bool) -> None:
        """Leave them where the peon looks. ``limits_itself``: nobody else bounds its memory."""
        content = {
            "properties": self.properties,
            "injector": self.injector,
            "memoryLimit": self.memory_limit if limits_itself else 0,
        }
        path = task_dir.attempt_dir(attempt) / "settings.json"
        write_atomically(path, plain_json.dumps(content).encode(), mode=0o600)


@frozen
class PeonSettingsMaker:
    """Makes the settings of a worker's peons. Thread-safe. ``injector`` names the function that puts peons together."""

    config: ForkingTaskRunnerConfig
    task_config: TaskConfig
    node: DruidNode
    properties: Properties
    discovery: DruidNodeDiscoveryProvider
    injector: str

    def make(self, task: Task, port: int, slot: StorageSlot) -> PeonSettings:
        """The settings for a task. Raises a `DruidException` when its context holds nonsense."""
        return PeonSettings(
            properties=self._properties(task, port, slot),
            injector=self.injector,
            environment=self._environment(task.context),
            memory_limit=self._memory_limit(task.context),
        )

    def _properties(self, task: Task, port: int, slot: StorageSlot) -> dict[str, str]:
        node = self.node
        own = {
            **properties_for_child(node.service_url, self.discovery),
            **locations_property(self.task_config),
            "druid.service": "druid/peon",
            "druid.host": node.host,
            "druid.plaintextPort": str(port),
            "druid.tlsPort": "-1",
            "druid.task.executor.service": node.service_name,
            "druid.task.executor.host": node.host,
            "druid.task.executor.plaintextPort": str(node.plaintext_port),
            "druid.task.executor.enablePlaintextPort": str(node.enable_plaintext_port).lower(),
            "druid.task.executor.tlsPort": str(node.tls_port),
            "druid.task.executor.enableTlsPort": str(node.enable_tls_port).lower(),
            "druid.indexer.task.baseTaskDir": str(slot.directory),
            "druid.indexer.task.tmpStorageBytesPerTask": str(slot.num_bytes),
            "druid.metrics.emitter.dimension.dataSource": task.data_source,
            "druid.metrics.emitter.dimension.taskId": task.id,
            "druid.metrics.emitter.dimension.taskType": task.type,
            "druid.metrics.emitter.dimension.groupId": task.group_id,
        }
        return peon_properties(self.properties, self.config, task.context, own)

    def _environment(self, context: Mapping[str, Any]) -> dict[str, str]:
        given = context.get(f"{_RUNNER}environment") or {}
        if not isinstance(given, dict):
            raise invalid_input(f"{_RUNNER}environment in the task's context must be an object of names and values")
        return {str(name): str(value) for name, value in {**self.config.environment, **given}.items()}

    def _memory_limit(self, context: Mapping[str, Any]) -> int:
        given = context.get(f"{_RUNNER}peonMemoryLimit")
        limit = int(self.config.peon_memory_limit) if given is None else parse_bytes(given)
        if limit < 0:
            raise invalid_input(f"{_RUNNER}peonMemoryLimit must not be negative")
        return limit


def peon_properties(
    properties: Mapping[str, str], config: ForkingTaskRunnerConfig, context: Mapping[str, Any], own: Mapping[str, str]
) -> dict[str, str]:
    """Return what a peon is configured with: the worker's properties, fork properties, the task's, and the peon's own.

    ``druid.indexer.fork.property.X`` (as property or in the task's context) stands for ``X`` in the peon.
    """
    chosen = {
        name: value
        for name, value in properties.items()
        if any(name.startswith(prefix) for prefix in config.allowed_prefixes) and name not in _NOT_FOR_PEONS
    }
    forked = {name.removeprefix(_FORK): value for name, value in chosen.items() if name.startswith(_FORK)}
    from_context = {
        name.removeprefix(_FORK): str(value)
        for name, value in context.items()
        if name.startswith(_FORK) and value is not None
    }
    return {**chosen, **forked, **from_context, **own}
