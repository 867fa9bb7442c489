"""The task actions of core: what a task asks the Overlord to decide. Their JSON is what Druid's peons send."""

from nemeton.indexing.actions.locks import (
    LockAcquireAction,
    LockListAction,
    LockReleaseAction,
    LockTryAcquireAction,
    SegmentLockAcquireAction,
    SegmentLockTryAcquireAction,
)
from nemeton.indexing.actions.segments import (
    MarkSegmentsAsUnusedAction,
    RetrieveSegmentsByIdAction,
    RetrieveUnusedSegmentsAction,
    RetrieveUpgradedFromSegmentIdsAction,
    RetrieveUpgradedToSegmentIdsAction,
    RetrieveUsedSegmentsAction,
    SegmentAllocateAction,
    SegmentNukeAction,
    SegmentTransactionalInsertAction,
)
from nemeton.indexing.actions.status import (
    SurrogateAction,
    UpdateLocationAction,
    UpdateStatusAction,
)

__all__ = [
    "LockAcquireAction",
    "LockListAction",
    "LockReleaseAction",
    "LockTryAcquireAction",
    "MarkSegmentsAsUnusedAction",
    "RetrieveSegmentsByIdAction",
    "RetrieveUnusedSegmentsAction",
    "RetrieveUpgradedFromSegmentIdsAction",
    "RetrieveUpgradedToSegmentIdsAction",
    "RetrieveUsedSegmentsAction",
    "SegmentAllocateAction",
    "SegmentLockAcquireAction",
    "SegmentLockTryAcquireAction",
    "SegmentNukeAction",
    "SegmentTransactionalInsertAction",
    "SurrogateAction",
    "UpdateLocationAction",
    "UpdateStatusAction",
]
