import importlib.util
import threading
from concurrent.futures import Future

import pytest
from attrs import define, field

from nemeton.common.clock import ManualClock, SystemClock
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.overlord.action_clients import LocalTaskActionClient, OverlordActionToolbox
from nemeton.indexing.overlord.allocation_queue import SegmentAllocationQueue
from nemeton.indexing.overlord.config import TaskLockConfig
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.json import Json
from nemeton.metadata.coordinator import SqlIndexerMetadataStorageCoordinator
from nemeton.model import TaskLocation
from nemeton.plugins import load_extensions
from nemeton.server.builtin import BUILTIN_EXTENSIONS
from nemeton.spi.indexing import RunnerTaskState, TaskRunner

NOW = 1_763_600_000_000


@pytest.fixture(scope="session")
def extensions():
    parts = [name for name in BUILTIN_EXTENSIONS if importlib.util.find_spec(name)]
    return load_extensions({"druid.extensions.loadList": "[]"}, parts)


@pytest.fixture(scope="session")
def json(extensions):
    return Json(extensions.registry)


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def storage(connector, json, clock):
    return TaskStorage(connector, json, clock)


@pytest.fixture
def metadata(connector, json, clock):
    return SqlIndexerMetadataStorageCoordinator(connector, json, clock)


@pytest.fixture
def lockbox(storage, clock):
    return TaskLockbox(storage, clock)


@pytest.fixture
def segment_allocation(lockbox, metadata):
    config = TaskLockConfig(batch_segment_allocation=False)
    queue = SegmentAllocationQueue(lockbox, metadata, config, ServiceEmitter(), SystemClock())
    queue.start()
    yield queue
    queue.stop()


@pytest.fixture
def toolbox(lockbox, metadata, segment_allocation, json):
    return OverlordActionToolbox(lockbox=lockbox, metadata=metadata, segment_allocation=segment_allocation, json=json)


@pytest.fixture
def client_of(toolbox):
    return lambda task: LocalTaskActionClient(task, toolbox)


@define(eq=False)
class FakeItem:
    task: object
    result: Future = field(factory=Future)
    created_time: int = 0
    queue_insertion_time: int = 0
    location: TaskLocation = field(factory=lambda: TaskLocation("host", 8100, -1))

    @property
    def task_id(self):
        return self.task.id

    @property
    def task_type(self):
        return self.task.type

    @property
    def data_source(self):
        return self.task.data_source


class FakeRunner(TaskRunner):
    """Runs nothing; a test ends tasks with ``finish``."""

    def __init__(self):
        self.items = {}
        self.ran = []
        self.shut_down = []
        self.restored = []
        self.changed = threading.Condition()

    def start(self):
        pass

    def stop(self):
        pass

    def restore(self):
        return [(task, self.run(task)) for task in self.restored]

    def run(self, task):
        with self.changed:
            item = self.items.setdefault(task.id, FakeItem(task))
            self.ran.append(task.id)
            self.changed.notify_all()
            return item.result

    def shutdown(self, task_id, reason):
        with self.changed:
            self.shut_down.append((task_id, reason))
            self.items.pop(task_id, None)
            self.changed.notify_all()

    def finish(self, status):
        self.items[status.id].result.set_result(status)

    def wait_for(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, 20)

    def get_known_tasks(self):
        return list(self.items.values())

    get_running_tasks = get_known_tasks

    def get_pending_tasks(self):
        return []

    def get_runner_task_state(self, task_id):
        return RunnerTaskState.RUNNING if task_id in self.items else None

    def get_task_location(self, task_id):
        return self.items[task_id].location if task_id in self.items else TaskLocation()

    def register_listener(self, listener, executor=None):
        pass

    def unregister_listener(self, listener_id):
        pass


@pytest.fixture
def runner():
    return FakeRunner()
