"""The worker select strategy ``fairShare``."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen, validators

from nemeton.spi import ImmutableWorkerInfo, Task, WorkerSelectStrategy, WorkerTaskRunnerConfig, json_type


@json_type("fairShare")
@frozen
class FairShareWorkerSelectStrategy(WorkerSelectStrategy):
    """Give the task to the worker with the fewest tasks of the same data source.

    Of equal ones the worker with the most free slots gets it, and of those the one with the smaller host name. Where
    every worker that could take it runs ``max_per_datasource`` tasks of the data source, the task waits.

    The Overlord tells of a worker's tasks their ids, so the data source is looked for there: in
    ``index_parallel_flights_abcdefgh_…`` as in all ids that Druid makes. A task whose submitter gave it an id without
    its data source does not count; one of ``late_flights`` counts for ``flights`` too.
    """

    max_per_datasource: int = field(default=4, validator=validators.ge(1))

    def find_worker(
        self, config: WorkerTaskRunnerConfig, workers: Mapping[str, ImmutableWorkerInfo], task: Task
    ) -> ImmutableWorkerInfo | None:
        """Return the worker for the task, or None to let it wait."""
        mark = f"_{task.data_source}_"
        able = [
            (_count(worker, mark), -worker.available_capacity, host)
            for host, worker in workers.items()
            if worker.is_valid_version(config.min_worker_version)
            and worker.can_run_task(task, config.parallel_index_task_slot_ratio)
        ]
        if not able:
            return None
        tasks, _, host = min(able)
        return workers[host] if tasks < self.max_per_datasource else None


def _count(worker: ImmutableWorkerInfo, mark: str) -> int:
    return sum(mark in task_id for task_id in worker.running_tasks)
