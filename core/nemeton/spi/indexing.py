"""What authors of task types, task actions and runners implement: the indexing service's stable interface.

A *task* is an immutable description of work (its JSON is what a client submits and what the metadata store keeps). It
runs in a peon with a :class:`TaskToolbox`, and asks the Overlord for everything that must be decided in one place
(locks, segment ids, publishing) by sending :class:`TaskAction` objects through its :class:`TaskActionClient`.

The runner side (:class:`TaskRunner`, :class:`WorkerSelectStrategy` …) is in :mod:`nemeton.spi.runners`, re-exported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from attrs import evolve, field, frozen

from nemeton.common.units import HumanReadableBytes
from nemeton.plugins import extension_point, type_names
from nemeton.spi.lookup_loading import LOAD_ALL, LookupLoadingSpec
from nemeton.spi.runners import (
    DEFAULT_WORKER_CATEGORY,
    ImmutableWorkerInfo,
    RunnerTaskState,
    TaskRunner,
    TaskRunnerListener,
    TaskRunnerWorkItem,
    WorkerSelectStrategy,
    WorkerTaskRunner,
    WorkerTaskRunnerConfig,
)
from nemeton.time import Period

if TYPE_CHECKING:
    from pathlib import Path

    from nemeton.common.clock import Clock
    from nemeton.json import Json
    from nemeton.model import DruidNode, TaskStatus
    from nemeton.spi.metadata import IndexerMetadataStorageCoordinator
    from nemeton.spi.storage import DataSegmentKiller, DataSegmentPuller, DataSegmentPusher
    from nemeton.spi.supervisors import SupervisorManager

__all__ = [
    "BATCH_PRIORITY",
    "COMPACTION_PRIORITY",
    "DEFAULT_WORKER_CATEGORY",
    "ChatHandler",
    "ChatHandlerProvider",
    "ImmutableWorkerInfo",
    "RunnerTaskState",
    "ShuffleLocationConfig",
    "Task",
    "TaskAction",
    "TaskActionClient",
    "TaskActionToolbox",
    "TaskConfig",
    "TaskContextEnricher",
    "TaskReportWriter",
    "TaskResource",
    "TaskRunner",
    "TaskRunnerListener",
    "TaskRunnerWorkItem",
    "TaskToolbox",
    "WorkerSelectStrategy",
    "WorkerTaskRunner",
    "WorkerTaskRunnerConfig",
]

T = TypeVar("T")
R = TypeVar("R", covariant=True)

_FIVE_MINUTES = Period(minutes=5)
_UNLIMITED = HumanReadableBytes(2**63 - 1)
_TEN_MINUTES = Period(minutes=10)

#: The lock priority of batch ingestion. Druid's others: streaming 75, kill and everything else 0.
BATCH_PRIORITY = 50
COMPACTION_PRIORITY = 25


@frozen(kw_only=True)
class TaskResource:
    """How much of a worker a task takes, and which tasks must not share a worker (``availabilityGroup``)."""

    availability_group: str
    required_capacity: int = 1


@frozen(kw_only=True)
class ShuffleLocationConfig:
    """A folder for partial segments: at most ``max_size`` bytes, and so much of the disk is left free (percent)."""

    path: str
    max_size: HumanReadableBytes = _UNLIMITED
    free_space_percent: float | None = None


@frozen(kw_only=True, slots=False)
class TaskConfig:
    """``druid.indexer.task.*``: what every task may ask for about the place it runs in."""

    base_dir: str = "var/tmp"
    base_task_dir: str | None = None
    graceful_shutdown_timeout: Period = _FIVE_MINUTES
    directory_lock_timeout: Period = _TEN_MINUTES
    restore_tasks_on_restart: bool = False
    default_row_flush_boundary: int = 75_000
    ignore_timestamp_spec_for_druid_input_source: bool = False
    store_empty_columns: bool = True
    shuffle_data_locations: list[ShuffleLocationConfig] | None = None
    encapsulated_task: bool = False
    tmp_storage_bytes_per_task: int = -1

    @property
    def task_dir_root(self) -> str:
        """The folder of the task folders: ``baseTaskDir``, or ``<baseDir>/persistent/task``."""
        return self.base_task_dir or f"{self.base_dir}/persistent/task"


def _text_or_empty(value: str | None) -> str:
    return value or ""


def _dict_or_empty(value: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(value or {})


@lru_cache(maxsize=1024)
def _type_of(cls: type[Task]) -> str:
    return next(names[0] for each in cls.__mro__ if (names := type_names(each)))


@extension_point(hook="task_types", name="task")
@frozen(kw_only=True, slots=False)
class Task(ABC):
    """A unit of work of the indexing service (Druid: ``Task``, ``AbstractTask``). Subclasses are frozen attrs classes.

    ``id`` may be left out: then :meth:`default_id` makes one. ``group_id`` defaults to the id; tasks of one group share
    locks. ``context`` holds the user's settings and the Overlord's defaults.
    """

    id: str = field(default="", converter=_text_or_empty)
    group_id: str = field(default="", converter=_text_or_empty)
    resource: TaskResource | None = None
    context: dict[str, Any] = field(factory=dict, converter=_dict_or_empty)

    #: The lock priority when the context has no ``priority``.
    default_priority: ClassVar[int] = 0

    #: True when the task's one publish is its last decision: the Overlord then records its success in the very
    #: transaction that publishes, so that after a crash it is SUCCESS exactly when its segments are there.
    publish_completes_task: ClassVar[bool] = False

    def __attrs_post_init__(self) -> None:
        from nemeton.spi.task_ids import check_id

        if not self.id:
            object.__setattr__(self, "id", self.default_id())
        check_id("task ID", self.id)
        if not self.group_id:
            object.__setattr__(self, "group_id", self.id)
        if self.resource is None:
            object.__setattr__(self, "resource", TaskResource(availability_group=self.id))

    # ---- what it is

    if TYPE_CHECKING:  # subclasses have a field or a property of this name

        @property
        def data_source(self) -> str:
            """The data source that the task writes, or works on."""

    @property
    def type(self) -> str:
        """The JSON ``type`` name."""
        return _type_of(type(self))

    @property
    def priority(self) -> int:
        """The priority of this task's locks; a higher one revokes a lower one's."""
        value = self.context.get("priority")
        return self.default_priority if value is None else int(value)

    @property
    def node_type(self) -> str | None:
        """Given to the peon as ``--nodeType``: ``realtime`` for tasks that answer queries, else None."""
        return None

    @property
    def supports_queries(self) -> bool:
        """True when the task's unpublished rows can be queried while it runs."""
        return False

    @property
    def can_restore(self) -> bool:
        """True when a worker that restarts should run the task again from what it left on disk."""
        return False

    @property
    def needs_server(self) -> bool:
        """True when the peon must open its HTTP port before the task runs. Registering a chat handler opens it, too."""
        return self.supports_queries

    @property
    def lookup_loading_spec(self) -> LookupLoadingSpec:
        """Which lookups its peon loads: all of its tier, unless the context says otherwise. Raises for nonsense."""
        return LookupLoadingSpec.from_context(self.context, LOAD_ALL)

    def default_id(self) -> str:
        """Make an id for a task that came without: ``<type>_<dataSource>_<8 letters>_<time>``, as Druid does."""
        from nemeton.spi.task_ids import new_task_id

        return new_task_id(self.type, self.data_source)

    def with_context(self, defaults: Mapping[str, Any]) -> Task:
        """Return the task with ``defaults`` added to its context where it does not hold these keys yet."""
        return evolve(self, context={**defaults, **self.context})

    # ---- what it does

    def is_ready(self, client: TaskActionClient) -> bool:
        """Say whether the task may run now; take the locks that it needs. Called on the Overlord, perhaps many times.

        False means "not yet" (its locks are released and it is asked again). An exception fails the task.
        """
        return True

    @abstractmethod
    def run(self, toolbox: TaskToolbox) -> TaskStatus:
        """Do the work, in a peon, and return the final status. An exception means FAILED with its text."""

    def clean_up(self, toolbox: TaskToolbox, status: TaskStatus | None) -> None:  # noqa: B027 - optional
        """Called once after :meth:`run`, also after an exception (then ``status`` is None). Failures are logged."""

    def stop_gracefully(self) -> None:  # noqa: B027 - optional
        """Asked from another thread to end early. After it the process exits within ``gracefulShutdownTimeout``."""


# ---- actions


@extension_point(hook="task_actions", name="task action")
class TaskAction(ABC, Generic[R]):
    """Something that only the Overlord may decide, asked for by a task. Subclasses are frozen attrs classes (JSON).

    ``result_type`` is what a client turns the JSON answer into (an annotation such as ``list[DataSegment]``).
    """

    result_type: ClassVar[Any] = Any

    @abstractmethod
    def perform(self, task: Task, toolbox: TaskActionToolbox) -> R:
        """Decide, on the Overlord. Raises ``DruidException`` (its category decides the HTTP status of the answer)."""


class TaskActionClient(Protocol):
    """How a task submits actions: in process on the Overlord, over HTTP from a peon (with retries and a deadline)."""

    def submit(self, action: TaskAction[T]) -> T:
        """Send the action, in the name of the client's task, and return its result."""
        ...


class TaskActionToolbox(Protocol):
    """What an action may use on the Overlord."""

    @property
    def lockbox(self) -> Any:
        """The ``nemeton.indexing.overlord.lockbox.TaskLockbox``."""
        ...

    @property
    def metadata(self) -> IndexerMetadataStorageCoordinator:
        """Segments, pending segments and stream offsets in the metadata store."""
        ...

    @property
    def task_runner(self) -> TaskRunner | None:
        """The running runner, or None while there is none."""
        ...

    @property
    def json(self) -> Json:
        """The converter."""
        ...

    @property
    def emitter(self) -> Any:
        """The service emitter."""
        ...

    @property
    def segment_allocation(self) -> Any:
        """The ``nemeton.indexing.overlord.allocation_queue.SegmentAllocationQueue``: ``allocate(task, action)``."""
        ...

    @property
    def supervisor_manager(self) -> SupervisorManager | None:
        """The supervisors, or None (until there are streaming tasks)."""
        ...


class TaskContextEnricher(ABC):
    """Adds to the context of every task that is submitted (hook ``task_context_enrichers``)."""

    @abstractmethod
    def enrich(self, task: Task) -> Mapping[str, Any]:
        """Return the context keys to add where the task's context does not hold them."""


# ---- toolbox


class ChatHandler(ABC):
    """HTTP end points of one running task, under ``/druid/worker/v1/chat/<task id>/``."""

    @abstractmethod
    def chat_routes(self) -> Mapping[tuple[str, str], Callable[..., Any]]:
        """Map ``(method, path below the task's)`` to a handler ``(request) -> JSON | Response``, run in threads."""


class ChatHandlerProvider(Protocol):
    """Where a task makes its chat handler known. Registering opens the peon's port."""

    def register(self, task_id: str, handler: ChatHandler) -> None:
        """Serve ``handler`` from now on; replaces an earlier one of the task."""
        ...

    def unregister(self, task_id: str) -> None:
        """Stop serving; unknown ids are fine."""
        ...


class TaskReportWriter(Protocol):
    """Writes a task's reports (the JSON behind ``/task/<id>/reports``); atomically; the last call holds."""

    def write(self, task_id: str, reports: Mapping[str, Any]) -> None:
        """Write ``{"<key>": {"type": …, "taskId": …, "payload": …}}``."""
        ...


@frozen(kw_only=True, slots=False)
class TaskToolbox:
    """What a running task has at hand (Druid: ``TaskToolbox``). One per task and attempt; thread-safe members.

    ``work_dir`` is the task's own folder for anything temporary; it exists, and is deleted after the task.
    ``ingestion_memory_bytes``: how much of its rows the task should keep in memory at most, 0 for no bound but its own.
    ``get`` asks the peon's injector for what a task type needs beyond this (``toolbox.get(MyClient)``).
    """

    task: Task
    config: TaskConfig
    node: DruidNode
    action_client: TaskActionClient
    data_segment_pusher: DataSegmentPusher
    data_segment_puller: DataSegmentPuller
    data_segment_killer: DataSegmentKiller
    work_dir: Path
    json: Json
    clock: Clock
    emitter: Any
    report_writer: TaskReportWriter
    chat_handlers: ChatHandlerProvider
    overlord_client: Any = None
    coordinator_client: Any = None
    attempt: int = 1
    properties: Mapping[str, str] = field(factory=dict)
    injector: Any = None
    task_executor_node: DruidNode | None = None
    ingestion_memory_bytes: int = 0

    def get(self, cls: type[T], name: str | None = None) -> T:
        """Ask the injector of the process for ``cls``."""
        result: T = self.injector.get(cls, name=name)
        return result
