"""Where a partial segment is: as its maker reports it, and as the task that merges it is told. JSON as Druid's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.model import BucketShardSpec, BuildingShardSpec, DataSegment, ShardSpec
from nemeton.time import Interval, format_datetime

if TYPE_CHECKING:
    from nemeton.spi.indexing import TaskToolbox

DEEP_PREFIX = "shuffle-data"


@frozen(kw_only=True)
class PartitionStat(ABC):
    """A partial segment as the sub task that made it reports it."""

    type: ClassVar[str]

    interval: Interval
    shard_spec: BucketShardSpec

    @property
    def bucket(self) -> int:
        """The bucket of the interval."""
        return self.shard_spec.bucket_id

    @abstractmethod
    def location(self, sub_task_id: str, shard_spec: BuildingShardSpec) -> PartitionLocation:
        """Where to fetch it, with the shard spec of the segment that it will be a part of."""

    @staticmethod
    def from_json(value: Any, json: Any) -> PartitionStat:
        """From its object."""
        read = _STATS.get(_kind(value))
        if read is None:
            raise invalid_input(f"partitionStats: unknown type[{_kind(value)}], known are {sorted(_STATS)}")
        return read(value, json)


@frozen(kw_only=True)
class PartitionLocation(ABC):
    """Where a partial segment of a bucket is to be had."""

    type: ClassVar[str]

    sub_task_id: str
    interval: Interval
    shard_spec: BuildingShardSpec

    @property
    def bucket(self) -> int:
        """The bucket of the interval."""
        return self.shard_spec.bucket_id

    @abstractmethod
    def fetch(self, toolbox: TaskToolbox, supervisor_task_id: str, folder: Path) -> None:
        """Fill the folder, which exists and is empty, with the segment's files."""

    @abstractmethod
    def remove_all(self, toolbox: TaskToolbox, supervisor_task_id: str) -> None:
        """Remove what the supervisor task's sub tasks have left there: at least this one."""

    @property
    @abstractmethod
    def place(self) -> object:
        """Equal for locations that one `remove_all` clears."""

    @staticmethod
    def from_json(value: Any, json: Any) -> PartitionLocation:
        """From its object."""
        read = _LOCATIONS.get(_kind(value))
        if read is None:
            raise invalid_input(f"partitionLocations: unknown type[{_kind(value)}], known are {sorted(_LOCATIONS)}")
        return read(value, json)


def _kind(value: Any) -> str:
    if not isinstance(value, Mapping):
        raise invalid_input("an object that tells of a partition is expected")
    return str(value.get("type", "local"))


# ---- on workers


@frozen(kw_only=True)
class LocalPartitionStat(PartitionStat):
    """On the disk of a worker, which serves it (Druid: ``GenericPartitionStat``)."""

    type: ClassVar[str] = "local"

    host: str
    port: int
    use_https: bool = False

    def location(self, sub_task_id: str, shard_spec: BuildingShardSpec) -> LocalPartitionLocation:
        """See :class:`PartitionStat`."""
        return LocalPartitionLocation(
            host=self.host,
            port=self.port,
            use_https=self.use_https,
            sub_task_id=sub_task_id,
            interval=self.interval,
            shard_spec=shard_spec,
        )

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it; it never counts rows and bytes."""
        return {
            "type": self.type,
            "taskExecutorHost": self.host,
            "taskExecutorPort": self.port,
            "useHttps": self.use_https,
            "interval": str(self.interval),
            "shardSpec": json.unstructure(self.shard_spec),
            "numRows": 0,
            "sizeBytes": 0,
        }

    @classmethod
    def read(cls, value: Mapping[str, Any], json: Any) -> LocalPartitionStat:
        """From its object."""
        return cls(
            host=value["taskExecutorHost"],
            port=int(value["taskExecutorPort"]),
            use_https=bool(value.get("useHttps")),
            interval=Interval.from_json(value["interval"]),
            shard_spec=json.structure(value["shardSpec"], ShardSpec),
        )


@frozen(kw_only=True)
class LocalPartitionLocation(PartitionLocation):
    """On the disk of a worker (Druid: ``GenericPartitionLocation``)."""

    type: ClassVar[str] = "local"

    host: str
    port: int
    use_https: bool = False

    @property
    def place(self) -> object:
        """The worker."""
        return self.host, self.port

    def fetch(self, toolbox: TaskToolbox, supervisor_task_id: str, folder: Path) -> None:
        """See :class:`PartitionLocation`: over HTTP, as a zip, a few times."""
        from nemeton.http.client import EscalatedHttpClient
        from nemeton.indexing.worker.shuffle.fetch import fetch_zip

        start, end = format_datetime(self.interval.start), format_datetime(self.interval.end)
        url = (
            f"{self._task_url(supervisor_task_id)}/{quote(self.sub_task_id, safe='')}"
            f"/partition?startTime={start}&endTime={end}&bucketId={self.bucket}"
        )
        fetch_zip(toolbox.get(EscalatedHttpClient), toolbox.clock, url, folder)

    def remove_all(self, toolbox: TaskToolbox, supervisor_task_id: str) -> None:
        """See :class:`PartitionLocation`: of all sub tasks, on that worker."""
        from nemeton.http.client import EscalatedHttpClient

        toolbox.get(EscalatedHttpClient).request("DELETE", self._task_url(supervisor_task_id), timeout_s=10)

    def _task_url(self, supervisor_task_id: str) -> str:
        scheme = "https" if self.use_https else "http"
        return f"{scheme}://{self.host}:{self.port}/druid/worker/v1/shuffle/task/{quote(supervisor_task_id, safe='')}"

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": self.type,
            "host": self.host,
            "port": self.port,
            "useHttps": self.use_https,
            "subTaskId": self.sub_task_id,
            "interval": str(self.interval),
            "shardSpec": json.unstructure(self.shard_spec),
        }

    @classmethod
    def read(cls, value: Mapping[str, Any], json: Any) -> LocalPartitionLocation:
        """From its object."""
        return cls(
            host=value["host"],
            port=int(value["port"]),
            use_https=bool(value.get("useHttps")),
            sub_task_id=value["subTaskId"],
            interval=Interval.from_json(value["interval"]),
            shard_spec=json.structure(value["shardSpec"], ShardSpec),
        )


# ---- in deep storage


@frozen(kw_only=True)
class DeepStoragePartitionStat(PartitionStat):
    """In deep storage."""

    type: ClassVar[str] = "deepstore"

    load_spec: dict[str, Any]

    def location(self, sub_task_id: str, shard_spec: BuildingShardSpec) -> DeepStoragePartitionLocation:
        """See :class:`PartitionStat`."""
        return DeepStoragePartitionLocation(
            sub_task_id=sub_task_id, interval=self.interval, shard_spec=shard_spec, load_spec=self.load_spec
        )

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": self.type,
            "interval": str(self.interval),
            "shardSpec": json.unstructure(self.shard_spec),
            "loadSpec": json.unstructure(self.load_spec),
        }

    @classmethod
    def read(cls, value: Mapping[str, Any], json: Any) -> DeepStoragePartitionStat:
        """From its object."""
        return cls(
            interval=Interval.from_json(value["interval"]),
            shard_spec=json.structure(value["shardSpec"], ShardSpec),
            load_spec=dict(value["loadSpec"]),
        )


@frozen(kw_only=True)
class DeepStoragePartitionLocation(PartitionLocation):
    """In deep storage."""

    type: ClassVar[str] = "deepstore"

    load_spec: dict[str, Any]

    @property
    def place(self) -> object:
        """Its own."""
        return str(sorted(self.load_spec.items()))

    def fetch(self, toolbox: TaskToolbox, supervisor_task_id: str, folder: Path) -> None:
        """See :class:`PartitionLocation`."""
        toolbox.data_segment_puller.pull(self.load_spec, folder)

    def remove_all(self, toolbox: TaskToolbox, supervisor_task_id: str) -> None:
        """See :class:`PartitionLocation`: this one."""
        segment = DataSegment(
            f"{DEEP_PREFIX}/{supervisor_task_id}", self.interval, self.sub_task_id, load_spec=self.load_spec
        )
        toolbox.data_segment_killer.kill([segment])

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": self.type,
            "subTaskId": self.sub_task_id,
            "interval": str(self.interval),
            "shardSpec": json.unstructure(self.shard_spec),
            "loadSpec": json.unstructure(self.load_spec),
        }

    @classmethod
    def read(cls, value: Mapping[str, Any], json: Any) -> DeepStoragePartitionLocation:
        """From its object."""
        return cls(
            sub_task_id=value["subTaskId"],
            interval=Interval.from_json(value["interval"]),
            shard_spec=json.structure(value["shardSpec"], ShardSpec),
            load_spec=dict(value["loadSpec"]),
        )


_STATS: dict[str, Callable[[Mapping[str, Any], Any], PartitionStat]] = {
    LocalPartitionStat.type: LocalPartitionStat.read,
    DeepStoragePartitionStat.type: DeepStoragePartitionStat.read,
}
_LOCATIONS: dict[str, Callable[[Mapping[str, Any], Any], PartitionLocation]] = {
    LocalPartitionLocation.type: LocalPartitionLocation.read,
    DeepStoragePartitionLocation.type: DeepStoragePartitionLocation.read,
}
