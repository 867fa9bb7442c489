"""Hooks of the indexing service: tasks, runners, workers."""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from nemeton.plugins import hookspec
from nemeton.spi.hookspecs.types import Types


@hookspec
def task_types() -> Types:
    """Kinds of tasks: the `type` of a task specification.

    Returns classes of `nemeton.spi.Task`, read from the JSON that is submitted to `/druid/indexer/v1/task`.

    Used by: the Overlord, which reads, stores and asks `is_ready` on its queue's thread, and the peon, which calls
    `run` on its main thread.

    Example::

        @hookimpl
        def task_types():
            return [lazy("acme_export", "acme.export:ExportTask")]
    """


@hookspec
def task_actions() -> Types:
    """Kinds of task actions: what a task can ask of the Overlord.

    Returns classes of `nemeton.spi.TaskAction`, read from the JSON that is sent to `/druid/indexer/v1/action`.

    Used by: peons, which send them, and the leading Overlord, which performs them on HTTP threads, several at a time.

    Example::

        @hookimpl
        def task_actions():
            return [lazy("acmeReserve", "acme.export:ReserveAction")]
    """


@hookspec
def task_runners() -> Types:
    """Ways for the Overlord to run tasks: `druid.indexer.runner.type`.

    Returns classes of `nemeton.spi.TaskRunner`, made by the injector: constructor arguments are injected by type.

    Used by: the Overlord that leads, from its queue's threads and from HTTP threads; every method has to be
    thread-safe.

    Example::

        @json_type("slurm")
        class SlurmTaskRunner(TaskRunner):
            def __init__(self, config: SlurmConfig, clock: Clock) -> None:
                ...


        @hookimpl
        def task_runners():
            return [SlurmTaskRunner]
    """


@hookspec(stability="stable")
def worker_select_strategies() -> Types:
    """Ways for the Overlord to pick the worker that a task goes to.

    Returns classes of `nemeton.spi.WorkerSelectStrategy`. Their type names are those of `selectStrategy` in the
    worker behaviour configuration (`/druid/indexer/v1/worker`).

    Used by: the Overlord's task runners; `find_worker` is called under the runner's lock and must neither block nor
    keep state.

    Example::

        @json_type("acmeFairShare")
        @frozen
        class FairShare(WorkerSelectStrategy):
            max_per_datasource: int = 4

            def find_worker(self, config, workers, task):
                able = [worker for worker in workers.values() if worker.can_run_task(task)]
                return max(able, key=lambda worker: worker.available_capacity, default=None)


        @hookimpl
        def worker_select_strategies():
            return [FairShare]
    """


@hookspec
def intermediary_data_managers() -> Types:
    """Places for the partial segments of `index_parallel`: `druid.processing.intermediaryData.storage.type`.

    Returns classes of `nemeton.indexing.worker.shuffle.manager.IntermediaryDataManager`.

    Used by: peons, which add, and the workers that run them, which may serve and clean up.

    Example::

        @hookimpl
        def intermediary_data_managers():
            return [lazy("sharedDisk", "acme.shuffle:SharedDiskManager")]
    """


@hookspec
def provisioning_strategies() -> Types:
    """Ways to decide how many workers there should be: `druid.indexer.autoscale.strategy.type`.

    Returns classes of `nemeton.spi.ProvisioningStrategy`, made by the injector.

    Used by: the Overlord's runners that have workers, which make a service of it while they run; the service brings
    its own threads.

    Example::

        @hookimpl
        def provisioning_strategies():
            return [lazy("office-hours", "acme.workers:OfficeHoursProvisioningStrategy")]
    """


@hookspec
def autoscalers() -> Types:
    """Makers of workers: the `autoScaler` of the worker configuration.

    Returns classes of `nemeton.spi.AutoScaler`, read from the JSON of the worker configuration
    (`/druid/indexer/v1/worker`).

    Used by: the provisioning strategy of the leading Overlord, on the thread of its service.

    Example::

        @hookimpl
        def autoscalers():
            return [lazy("nomad", "acme.workers:NomadAutoScaler")]
    """


@hookspec
def overlord_duties() -> Types:
    """Work that the leading Overlord does now and then.

    Returns classes of `nemeton.spi.OverlordDuty`, made by the injector.

    Used by: the leading Overlord, on one thread for all duties, from its becoming leader until it leads no more.

    Example::

        @hookimpl
        def overlord_duties():
            return [lazy("acmeTidy", "acme.duties:TidyDuty")]
    """


@hookspec
def partial_shard_specs() -> Types:
    """Shard specs without a number: `shardSpecFactory` of the task action `segmentAllocate`.

    Returns classes of `nemeton.spi.PartialShardSpec`.

    Used by: appending tasks, which send them, and the leading Overlord, which completes them within a transaction.

    Example::

        @hookimpl
        def partial_shard_specs():
            return [lazy("acme_cells", "acme.shards:CellPartialShardSpec")]
    """
