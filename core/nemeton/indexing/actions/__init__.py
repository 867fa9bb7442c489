"""The task actions of core: what a task asks the Overlord to decide. Their JSON is what Druid's peons send."""

from nemeton.indexing.actions.allocation import SegmentAllocateAction
from nemeton.indexing.actions.locks import (
    LockAcquireAction,
    LockListAction,
    LockReleaseAction,
    LockTryAcquireAction,
    SegmentLockAcquireAction,
    SegmentLockTryAcquireAction,
)
from nemeton.indexing.actions.publish import (
    SegmentMetadataUpdateAction,
    SegmentNukeAction,
    SegmentTransactionalAppendAction,
    SegmentTransactionalInsertAction,
    SegmentTransactionalReplaceAction,
)
from nemeton.indexing.actions.segments import (
    MarkSegmentsAsUnusedAction,
    RetrieveSegmentsByIdAction,
    RetrieveUnusedSegmentsAction,
    RetrieveUpgradedFromSegmentIdsAction,
    RetrieveUpgradedToSegmentIdsAction,
    RetrieveUsedSegmentsAction,
)
from nemeton.indexing.actions.status import (
    SurrogateAction,
    UpdateLocationAction,
    UpdateStatusAction,
)
from nemeton.indexing.actions.streams import CheckPointDataSourceMetadataAction, ResetDataSourceMetadataAction

__all__ = [
    "CheckPointDataSourceMetadataAction",
    "LockAcquireAction",
    "LockListAction",
    "LockReleaseAction",
    "LockTryAcquireAction",
    "MarkSegmentsAsUnusedAction",
    "ResetDataSourceMetadataAction",
    "RetrieveSegmentsByIdAction",
    "RetrieveUnusedSegmentsAction",
    "RetrieveUpgradedFromSegmentIdsAction",
    "RetrieveUpgradedToSegmentIdsAction",
    "RetrieveUsedSegmentsAction",
    "SegmentAllocateAction",
    "SegmentLockAcquireAction",
    "SegmentLockTryAcquireAction",
    "SegmentMetadataUpdateAction",
    "SegmentNukeAction",
    "SegmentTransactionalAppendAction",
    "SegmentTransactionalInsertAction",
    "SegmentTransactionalReplaceAction",
    "SurrogateAction",
    "UpdateLocationAction",
    "UpdateStatusAction",
]
