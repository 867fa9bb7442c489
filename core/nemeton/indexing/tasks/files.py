"""Files in deep storage that several segments load.

A segment that was appended while another task replaced its interval is there in two versions, with one file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json import dumps

from nemeton.indexing.actions import (
    RetrieveUpgradedFromSegmentIdsAction,
    RetrieveUpgradedToSegmentIdsAction,
    RetrieveUsedSegmentsAction,
)
from nemeton.model import DataSegment
from nemeton.spi.indexing import TaskActionClient


def of_no_other_segment(
    client: TaskActionClient, data_source: str, segments: Sequence[DataSegment]
) -> list[DataSegment]:
    """Those of the segments whose files no segment but these loads; tombstones, which have none, are left out."""
    if not segments:
        return []
    used = client.submit(
        RetrieveUsedSegmentsAction(
            data_source=data_source,
            intervals=sorted({s.interval for s in segments}, key=lambda i: (i.start, i.end)),
            visibility="INCLUDING_OVERSHADOWED",
        )
    )
    in_use = {_file(segment) for segment in used}
    shared = _shared(client, data_source, [str(segment.id) for segment in segments])
    return [s for s in segments if not s.is_tombstone and str(s.id) not in shared and _file(s) not in in_use]


def _shared(client: TaskActionClient, data_source: str, ids: list[str]) -> set[str]:
    """Ids of segments whose files another segment, not among these, loads too after an upgrade."""
    parents = client.submit(
        RetrieveUpgradedFromSegmentIdsAction(data_source=data_source, segment_ids=ids)
    ).upgraded_from_segment_ids
    roots = {parents.get(id_, id_) for id_ in ids}
    children = client.submit(
        RetrieveUpgradedToSegmentIdsAction(data_source=data_source, segment_ids=sorted(roots))
    ).upgraded_to_segment_ids
    ours = set(ids)
    busy = {root for root in roots if not set(children.get(root, ())) <= ours}
    return {id_ for id_ in ids if parents.get(id_, id_) in busy}


def by_file(segments: Iterable[DataSegment]) -> list[list[DataSegment]]:
    """The segments, those that load the same file together."""
    groups: dict[str, list[DataSegment]] = {}
    for segment in segments:
        groups.setdefault(_file(segment), []).append(segment)
    return list(groups.values())


def _file(segment: DataSegment) -> str:
    return dumps(segment.load_spec, sort_keys=True)
