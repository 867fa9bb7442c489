"""Configuration of what runs tasks on this machine."""

from __future__ import annotations

import os

import psutil
from attrs import field, frozen

from nemeton.config import HumanReadableBytes
from nemeton.config.configurator import SHOWN_DEFAULT
from nemeton.spi.indexing import DEFAULT_WORKER_CATEGORY
from nemeton.time import Period

#: Builds the injector of a peon: composition lives above this room, therefore by name.
PEON_INJECTOR = "nemeton.server.peon:make_injector"


_UNBOUNDED = HumanReadableBytes(2**63 - 1)
_FIVE_MINUTES = Period(minutes=5)


@frozen(kw_only=True)
class WorkerConfig:
    """``druid.worker.*``: how much this worker takes, and how it presents itself.

    ``base_task_dirs``: the disks that tasks are spread over, by default ``druid.indexer.task.baseTaskDir``;
    ``base_task_dir_size``: what all tasks of one of them should keep to. ``intermediary_partition_timeout``: how long
    partial segments lie untouched before the Overlord is asked whether anybody still wants them.
    ``global_ingestion_heap_limit_bytes``: how much of their rows all tasks of an Indexer may keep in memory.
    """

    ip: str = "localhost"
    version: str = "0"
    capacity: int = field(
        factory=lambda: max(2, (os.cpu_count() or 1) - 1), metadata={SHOWN_DEFAULT: "processors − 1, at least 2"}
    )
    category: str = DEFAULT_WORKER_CATEGORY
    base_task_dirs: list[str] | None = None
    base_task_dir_size: HumanReadableBytes = _UNBOUNDED
    intermediary_partition_discovery_period_sec: int = 60
    intermediary_partition_cleanup_period_sec: int = 300
    intermediary_partition_timeout: Period = _FIVE_MINUTES
    global_ingestion_heap_limit_bytes: HumanReadableBytes = field(
        factory=lambda: HumanReadableBytes(psutil.virtual_memory().total // 6),
        metadata={SHOWN_DEFAULT: "a sixth of the machine's memory"},
    )

    def ingestion_memory_share(self) -> int:
        """How many bytes of rows each task may keep in memory where all tasks share a process."""
        return max(1, int(self.global_ingestion_heap_limit_bytes) // self.capacity)


@frozen(kw_only=True)
class ForkingTaskRunnerConfig:
    """``druid.indexer.runner.*`` for the types that start peons.

    ``peon_template``: start peons from a warm template process (else each as a process of its own).
    ``kill_timeout_seconds``: how long a peon that was asked to stop may take before it is killed.
    ``peon_memory_limit``: what a peon may take, 0 for no bound; ``environment``: variables of peons, by name.
    A task may set both for itself, under the properties' names in its context.
    """

    start_port: int = 8100
    end_port: int = 65535
    ports: list[int] = field(factory=list)
    allowed_prefixes: list[str] = field(factory=lambda: ["druid", "nemeton", "user.timezone", "java.io.tmpdir"])
    peon_template: bool = True
    kill_timeout_seconds: float = 10.0
    peon_memory_limit: HumanReadableBytes = HumanReadableBytes(0)  # noqa: RUF009 - a number
    environment: dict[str, str] = field(factory=dict)
    # meaningless without a JVM, accepted because every configuration of Druid has them
    java_command: str = "java"
    java_opts: str = ""
    java_opts_array: list[str] = field(factory=list)
    classpath: str | None = None
    max_znode_bytes: int = 512 * 1024
    compress_znodes: bool = True
