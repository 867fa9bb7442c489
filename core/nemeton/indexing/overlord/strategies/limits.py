"""How many slots of the whole cluster the tasks of one type may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import Attribute, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.overlord.runners.eligible import total_capacity, used_by_type
from nemeton.spi.indexing import ImmutableWorkerInfo, Task


def _check_counts(_: Any, __: Attribute[Any], counts: dict[str, int]) -> None:
    if any(count < 0 for count in counts.values()):
        raise invalid_input(f"Max task slot count limit for any type must not be negative. Found[{counts}].")


def _check_ratios(_: Any, __: Attribute[Any], ratios: dict[str, float]) -> None:
    if any(not 0 <= ratio <= 1 for ratio in ratios.values()):
        raise invalid_input(f"Max task slot ratios should be in the interval of [0, 1]. Found[{ratios}].")


@frozen(kw_only=True)
class TaskLimits:
    """Limits by task type: a number of slots, a share (0 to 1) of all slots, or both; then the lower one counts.

    A share always leaves a type at least one slot, so that its tasks do not wait for ever on a small cluster.
    """

    max_slot_count_by_type: dict[str, int] = field(factory=dict, validator=_check_counts)
    max_slot_ratio_by_type: dict[str, float] = field(factory=dict, validator=_check_ratios)

    def allows(self, task: Task, workers: Mapping[str, ImmutableWorkerInfo]) -> bool:
        """True when one more task of the type fits within its limit, on all of the workers together."""
        if not (self.max_slot_count_by_type or self.max_slot_ratio_by_type):
            return True
        limit = self._limit(task.type, total_capacity(workers))
        if limit is None:
            return True
        used = used_by_type(workers, task.type)
        required = task.resource.required_capacity if task.resource is not None else 1
        return limit - used >= required

    def _limit(self, task_type: str, total_capacity: int) -> int | None:
        count = self.max_slot_count_by_type.get(task_type)
        ratio = self.max_slot_ratio_by_type.get(task_type)
        if ratio is None:
            return count
        share = max(1, int(ratio * total_capacity))
        return share if count is None else min(count, share)
