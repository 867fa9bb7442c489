"""The metadata store as the other rooms see it: what is published, what is allocated, and how a store type is added."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen

from nemeton.common.errors import unsupported
from nemeton.json import wire
from nemeton.model import DataSegment, PartialShardSpec, SegmentId, ShardSpec
from nemeton.plugins import extension_point
from nemeton.time import Interval

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Engine, Table

Visibility = Literal["ONLY_VISIBLE", "INCLUDING_OVERSHADOWED"]
Isolation = Literal["SERIALIZABLE", "READ COMMITTED"]


@extension_point(hook="metadata_stores", name="metadata store", default="sqlite")
class MetadataStorageDialect(ABC):
    """A kind of database that can hold the metadata store: everything that differs between SQLAlchemy's dialects.

    Registered by the name that ``druid.metadata.storage.type`` gives; made by the injector, once. Thread-safe.
    """

    @abstractmethod
    def url(self, connect_uri: str | None, user: str | None, password: str | None, host: str, port: int) -> str:
        """Return SQLAlchemy's URL for ``connectURI``: SQLAlchemy's spelling, Druid's (JDBC), None for the default."""

    def local_file(self, url: str) -> Path | None:
        """Return the file that is the database, where it is one on this machine; None for servers."""
        return None

    def fold_name(self, name: str) -> str:
        """Return the form in which the database keeps a table name that is not quoted."""
        return name

    def create_engine(self, url: str, *, max_connections: int) -> Engine:
        """Make the engine: pool, session settings. ``max_connections`` bounds the pool."""
        import sqlalchemy

        return sqlalchemy.create_engine(url, pool_size=max_connections, max_overflow=0, pool_pre_ping=True)

    def transaction_options(self, *, write: bool, isolation: Isolation) -> Mapping[str, Any]:
        """Return SQLAlchemy's execution options for the connection of one transaction.

        A write needs ``isolation``; a read sees one state of the database from beginning to end.
        """
        return {"isolation_level": isolation if write else "REPEATABLE READ"}

    def clock(self) -> ColumnElement[int]:
        """Return an expression for the time by the database's clock, in milliseconds since the epoch; for leases.

        It is the time at which the statement runs, even when the transaction began long before.
        """
        raise unsupported(
            f"The metadata store type of {type(self).__name__} has no clock, so that it can keep no leases"
        )

    def silence_bound(self, seconds: float) -> ColumnElement[Any] | None:
        """Return an expression that, selected in a transaction, lets the database end it when the client falls silent.

        It bounds how long a process that hangs in the middle of a transaction keeps its locks. None where there is no
        such thing.
        """
        return None

    def among(self, column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
        """Return the condition that a column of text has one of the values, of which there may be hundreds."""
        return column.in_(list(values))

    def update_each(self, connection: Connection, table: Table, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Update many rows, each to values of its own. All ``rows`` have the column ``key``, whose row is updated.

        The other columns are the same in all of them. Override it where one statement can do that for all rows.
        """
        from sqlalchemy import bindparam, update

        prefix = "new_"  # a parameter must not have the name of a column
        changed: dict[str, Any] = {name: bindparam(prefix + name) for name in rows[0] if name != key}
        statement = update(table).where(table.c[key] == bindparam(prefix + key)).values(changed)
        connection.execute(statement, [{prefix + name: value for name, value in row.items()} for row in rows])

    def is_transient(self, error: Exception) -> bool:
        """True when the same transaction may succeed if it is tried again.

        A lost connection, a lock, a deadlock, a conflict between serializable transactions; and, where these show as
        such, a row that somebody else has inserted since the transaction looked for it.
        """
        return False


@frozen
class SegmentIdWithShardSpec:
    """An allocated segment: its id and the shard spec that it must be published with."""

    data_source: str
    interval: Interval
    version: str
    shard_spec: ShardSpec

    @property
    def segment_id(self) -> SegmentId:
        """The id."""
        return SegmentId(self.data_source, self.interval, self.version, self.shard_spec.partition_num)

    def __str__(self) -> str:
        return str(self.segment_id)


@frozen(kw_only=True)
class PendingSegment:
    """A row of ``druid_pendingSegments``."""

    id: SegmentIdWithShardSpec
    sequence_name: str
    sequence_prev_id: str = ""
    upgraded_from_segment_id: str | None = None
    task_allocator_id: str | None = None
    created_date: str = ""


@frozen(kw_only=True)
class SegmentPublishResult:
    """The outcome of a publish, as task actions answer it. ``retryable``: the same request may succeed later.

    ``segments`` are those that were inserted: none, when the same publish has been there before.
    """

    segments: list[DataSegment] = field(factory=list)
    success: bool = True
    retryable: bool = False
    error_msg: str | None = None
    upgraded_pending_segments: list[PendingSegment] = field(factory=list, metadata=wire(skip=True))
    """After a replacement: ids in its version for what is pending, of which the running tasks should hear."""

    @classmethod
    def ok(
        cls, segments: Iterable[DataSegment], upgraded_pending_segments: Iterable[PendingSegment] = ()
    ) -> SegmentPublishResult:
        """Published; these segments are new."""
        return cls(segments=list(segments), upgraded_pending_segments=list(upgraded_pending_segments))

    @classmethod
    def fail(cls, message: str, *, retryable: bool = False) -> SegmentPublishResult:
        """Nothing was changed."""
        return cls(segments=[], success=False, retryable=retryable, error_msg=message)


@frozen
class ReplaceTaskLock:
    """A REPLACE lock in force, and the task that replaces (a supervisor task, where there are sub tasks)."""

    supervisor_task_id: str
    interval: Interval
    version: str


@frozen(kw_only=True)
class SegmentCreateRequest:
    """What identifies an allocation: the same request gets the same segment again."""

    sequence_name: str
    previous_segment_id: str | None
    version: str
    partial_shard_spec: PartialShardSpec
    task_allocator_id: str | None


class IndexerMetadataStorageCoordinator(ABC):
    """The Overlord's view of the metadata store. Every method is one transaction, retried on conflicts; thread-safe."""

    def acting_for(self, service: str) -> IndexerMetadataStorageCoordinator:
        """Return one whose writes are refused when this process does not lead ``service``, where leases tell who does.

        See ``nemeton.metadata.fence``.
        """
        return self

    @abstractmethod
    def retrieve_used_segments(
        self, data_source: str, intervals: Sequence[Interval] | None = None, visibility: Visibility = "ONLY_VISIBLE"
    ) -> list[DataSegment]:
        """Return used segments that overlap any of ``intervals`` (None: all).

        Those that queries do not see (overshadowed, or of a version whose core partitions are not all there) only when
        asked for.
        """

    @abstractmethod
    def retrieve_unused_segments(
        self,
        data_source: str,
        interval: Interval,
        versions: Sequence[str] | None = None,
        limit: int | None = None,
        max_used_status_last_updated: str | None = None,
    ) -> list[DataSegment]:
        """Return unused segments that lie within ``interval``, ordered by it, at most ``limit``."""

    @abstractmethod
    def retrieve_segments_by_id(self, data_source: str, segment_ids: Iterable[str]) -> list[DataSegment]:
        """Return the segments with these ids that exist, used or not."""

    @abstractmethod
    def retrieve_used_segments_and_created_dates(
        self, data_source: str, intervals: Sequence[Interval]
    ) -> list[tuple[DataSegment, str]]:
        """Return used segments that overlap any of ``intervals``, overshadowed ones too, and when each was inserted."""

    @abstractmethod
    def commit_segments(self, segments: Sequence[DataSegment]) -> set[DataSegment]:
        """Insert the segments that are not there yet, as used; return those that were inserted."""

    @abstractmethod
    def commit_segments_and_metadata(
        self,
        segments: Sequence[DataSegment],
        start_metadata: Any | None = None,
        end_metadata: Any | None = None,
        *,
        data_source: str | None = None,
        completes_task: str | None = None,
    ) -> SegmentPublishResult:
        """Publish segments, and stream offsets by compare-and-swap, in one transaction.

        Segments that are there already count as published (a repeated request succeeds again). With ``completes_task``
        the same transaction records that this task has succeeded, see ``docs/design/crash-safety.md``. Metadata is
        given as ``DataSourceMetadata`` or its JSON.
        """

    @abstractmethod
    def commit_append_segments(
        self,
        segments: Sequence[DataSegment],
        replace_locks: Mapping[DataSegment, ReplaceTaskLock],
        task_allocator_id: str,
        start_metadata: Any | None = None,
        end_metadata: Any | None = None,
        *,
        completes_task: str | None = None,
    ) -> SegmentPublishResult:
        """As :meth:`commit_segments_and_metadata`, for a task that appends while others may replace.

        ``replace_locks`` has, for each segment that lies within a REPLACE lock, that lock. Segments are published in
        every version for which ``task_allocator_id`` was given an id of theirs.
        """

    @abstractmethod
    def commit_replace_segments(
        self,
        segments: Sequence[DataSegment],
        replace_locks: Sequence[ReplaceTaskLock],
        *,
        completes_task: str | None = None,
    ) -> SegmentPublishResult:
        """Publish segments of a task that replaces, and in their version whatever was appended under its locks.

        What is pending in their intervals gets ids in the new version (``upgraded_pending_segments`` of the result).
        """

    @abstractmethod
    def commit_metadata_only(self, data_source: str, start_metadata: Any, end_metadata: Any) -> SegmentPublishResult:
        """Move the data source's stream offsets by compare-and-swap, without segments."""

    @abstractmethod
    def update_segment_metadata(self, segments: Sequence[DataSegment]) -> int:
        """Write the segments over those of the same ids (after a move within deep storage); return how many."""

    @abstractmethod
    def retrieve_data_source_metadata(self, data_source: str) -> Any | None:
        """Return the stream offsets (JSON) of the data source, or None."""

    @abstractmethod
    def delete_data_source_metadata(self, data_source: str) -> bool:
        """Forget the offsets; True when there were some."""

    @abstractmethod
    def reset_data_source_metadata(self, data_source: str, metadata: Any) -> bool:
        """Overwrite the offsets without comparing; True when it was done."""

    @abstractmethod
    def allocate_pending_segments(
        self,
        data_source: str,
        interval: Interval,
        requests: Sequence[SegmentCreateRequest],
        *,
        skip_segment_lineage_check: bool,
        reduce_metadata_io: bool = False,
    ) -> list[SegmentIdWithShardSpec | None]:
        """Return, for each request, the segment it got before, or a new one; None when none can be made.

        ``reduce_metadata_io``: read few segments whole; not for tasks that hold locks on single partitions.
        """

    def allocate_pending_segment(
        self,
        data_source: str,
        interval: Interval,
        request: SegmentCreateRequest,
        *,
        skip_segment_lineage_check: bool,
    ) -> SegmentIdWithShardSpec | None:
        """As :meth:`allocate_pending_segments`, for one request."""
        (allocated,) = self.allocate_pending_segments(
            data_source, interval, [request], skip_segment_lineage_check=skip_segment_lineage_check
        )
        return allocated

    @abstractmethod
    def retrieve_used_segments_for_allocation(
        self, data_source: str, interval: Interval, *, reduce_metadata_io: bool = False
    ) -> set[DataSegment]:
        """Return what an allocation in ``interval`` looks at: visible used segments, perhaps as mere outlines."""

    @abstractmethod
    def retrieve_pending_segments(self, data_source: str, interval: Interval | None = None) -> list[PendingSegment]:
        """Return the pending segments that overlap ``interval``."""

    @abstractmethod
    def delete_pending_segments_created_in_interval(self, data_source: str, interval: Interval) -> int:
        """Delete those whose creation time lies in ``interval``; return how many."""

    @abstractmethod
    def delete_pending_segments_for_task_allocators(self, data_source: str, allocator_ids: Collection[str]) -> int:
        """Delete those that these tasks (groups) allocated; return how many."""

    @abstractmethod
    def mark_segments_as_unused(
        self, data_source: str, interval: Interval | None, versions: Sequence[str] | None = None
    ) -> int:
        """Mark used segments that lie within ``interval`` (None: all) as unused; return how many."""

    @abstractmethod
    def mark_segment_ids_as_unused(self, data_source: str, segment_ids: Iterable[str]) -> int:
        """Mark these as unused; return how many changed."""

    @abstractmethod
    def mark_segment_ids_as_used(self, data_source: str, segment_ids: Iterable[str]) -> int:
        """Mark these as used; return how many changed."""

    @abstractmethod
    def mark_non_overshadowed_segments_as_used(
        self, data_source: str, interval: Interval | None = None, versions: Sequence[str] | None = None
    ) -> int:
        """Mark unused segments (within ``interval``) that nothing used overshadows as used; return how many."""

    @abstractmethod
    def delete_segments(self, segments: Iterable[DataSegment]) -> int:
        """Delete the rows of these segments; return how many."""

    @abstractmethod
    def retrieve_all_data_sources(self) -> set[str]:
        """Return the names of all data sources with used segments."""

    def retrieve_upgraded_from_segment_ids(self, data_source: str, segment_ids: Iterable[str]) -> dict[str, str]:
        """Return, for those that were upgraded from another segment, that segment's id."""
        return {}

    def retrieve_upgraded_to_segment_ids(self, data_source: str, segment_ids: Iterable[str]) -> dict[str, list[str]]:
        """Return, for those that exist or that others were upgraded from, themselves and the ids of these."""
        return {}
