"""The strategy type ``javascript``, known only so that it can be refused with the way to do it here."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.spi.indexing import ImmutableWorkerInfo, Task, WorkerSelectStrategy, WorkerTaskRunnerConfig

_MEND = (
    "JavaScript is disabled: nemeton has no JavaScript engine. Write the strategy in Python: a class with find_worker, "
    "from the hook worker_select_strategies of an extension; docs/extensions/writing-a-worker-select-strategy.md "
    "shows a whole one, and `nemeton extensions new` makes the package"
)


@json_type("javascript")
@frozen(kw_only=True)
class JavaScriptWorkerSelectStrategy(WorkerSelectStrategy):
    """Cannot be made: see the error."""

    function: str | None = None

    def __attrs_post_init__(self) -> None:
        raise invalid_input(_MEND)

    def find_worker(
        self, config: WorkerTaskRunnerConfig, workers: Mapping[str, ImmutableWorkerInfo], task: Task
    ) -> ImmutableWorkerInfo | None:
        """Never called."""
        raise invalid_input(_MEND)
