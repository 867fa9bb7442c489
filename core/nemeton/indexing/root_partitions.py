"""Which partitions may be overwritten together under segment locks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nemeton.common.errors import defensive
from nemeton.model import DataSegment
from nemeton.time import Interval


def by_interval_and_root(segments: Iterable[DataSegment]) -> dict[Interval, list[DataSegment]]:
    """The segments of each interval, ordered by the original partitions that they are, or stand for."""
    found: dict[Interval, list[DataSegment]] = {}
    for segment in segments:
        found.setdefault(segment.interval, []).append(segment)
    for members in found.values():
        members.sort(key=_roots)
    return found


def _roots(segment: DataSegment) -> tuple[int, int]:
    return segment.shard_spec.start_root_partition_id, segment.shard_spec.end_root_partition_id


def check_root_partitions(segments: Sequence[DataSegment]) -> None:
    """Raise unless the segments, ordered, are whole atomic update groups that follow each other without a gap."""
    groups: list[list[DataSegment]] = []
    for segment in segments:
        if groups and _roots(groups[-1][-1]) == _roots(segment):
            _check_same_group(groups[-1][-1], segment)
            groups[-1].append(segment)
            continue
        if groups and _roots(groups[-1][-1])[1] != _roots(segment)[0]:
            raise defensive(
                "Can't compact segments of non-consecutive rootPartition range. Missing partitionIds between "
                f"[{_roots(groups[-1][-1])[1]}] and [{_roots(segment)[0]}]"
            )
        groups.append([segment])
    for group in groups:
        size = group[0].shard_spec.atomic_update_group_size
        if len(group) != size:
            raise defensive(
                f"All atomicUpdateGroup must be compacted together. Expected size[{size}] but current "
                f"size[{len(group)}]"
            )


def _check_same_group(one: DataSegment, other: DataSegment) -> None:
    first, second = one.shard_spec, other.shard_spec
    if (first.minor_version, first.atomic_update_group_size) != (
        second.minor_version,
        second.atomic_update_group_size,
    ):
        raise defensive(
            f"segment[{one.id}] and segment[{other.id}] have the same rootPartitionRange, but different minorVersion "
            "or atomicUpdateGroupSize"
        )


def check_overwrite(old: Iterable[DataSegment], new: Iterable[DataSegment]) -> None:
    """Raise unless ``new`` may take the place of ``old``: the same original partitions, in a higher minor version."""
    old_by_interval, new_by_interval = by_interval_and_root(old), by_interval_and_root(new)
    for members in (*old_by_interval.values(), *new_by_interval.values()):
        check_root_partitions(members)
    for interval, replaced in old_by_interval.items():
        replacing = new_by_interval.get(interval)
        if replacing is None:
            raise defensive(f"segments of interval[{interval}]")
        _check_same_range(replaced, replacing)
        highest = max(segment.shard_spec.minor_version for segment in replaced)
        for segment in replacing:
            if segment.shard_spec.minor_version <= highest:
                raise defensive(
                    f"New segment[{segment.id}] has minor version [{segment.shard_spec.minor_version}], which is not "
                    f"above that of the old segments [{highest}]"
                )


def _check_same_range(old: Sequence[DataSegment], new: Sequence[DataSegment]) -> None:
    old_range = (_roots(old[0])[0], _roots(old[-1])[1])
    new_range = (_roots(new[0])[0], _roots(new[-1])[1])
    if old_range != new_range:
        raise defensive(
            f"Root partition range[{new_range[0]}, {new_range[1]}] of new segments doesn't match to root partition "
            f"range[{old_range[0]}, {old_range[1]}] of old segments"
        )
