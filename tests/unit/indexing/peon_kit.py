"""Tasks that misbehave, and a peon that knows them. Imported in peons too."""

import importlib.util
import os
import signal
import threading
import time
from pathlib import Path

from attrs import frozen

from nemeton.common.clock import SystemClock
from nemeton.config import JsonConfigurator, Properties
from nemeton.indexing.actions import LockListAction, LockTryAcquireAction, SegmentTransactionalInsertAction
from nemeton.inject import Injector
from nemeton.json import Json
from nemeton.lifecycle import Lifecycle
from nemeton.model import DataSegment, NodeRole, TaskStatus
from nemeton.plugins import json_type, load_extensions
from nemeton.server.builtin import BUILTIN_EXTENSIONS
from nemeton.server.peon import peon_modules
from nemeton.server.process import ProcessModule
from nemeton.spi.discovery import DruidNodeDiscoveryProvider
from nemeton.spi.indexing import ChatHandler, Task
from nemeton.time import Interval


@frozen(kw_only=True, slots=False)
class _TestTask(Task):
    data_source: str = "test"
    file: str = ""

    def note(self, text):
        with open(self.file, "a") as file:
            file.write(text + "\n")


@json_type("testExit")
@frozen(kw_only=True, slots=False)
class ExitTask(_TestTask):
    code: int = 7

    def run(self, toolbox):
        print("about to exit", flush=True)
        os._exit(self.code)


@json_type("testRaise")
@frozen(kw_only=True, slots=False)
class RaiseTask(_TestTask):
    def run(self, toolbox):
        raise ValueError("the input is broken")


@json_type("testHang")
@frozen(kw_only=True, slots=False)
class HangTask(_TestTask):
    """Deaf: does not stop when asked to, not even by the peon's own watcher."""

    def run(self, toolbox):
        self.note(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
        return TaskStatus.success(self.id)


@json_type("testWait")
@frozen(kw_only=True, slots=False)
class WaitTask(_TestTask):
    """Runs until it is told to stop, and then still tries to act."""

    restorable: bool = False

    @property
    def can_restore(self):
        return self.restorable

    def run(self, toolbox):
        self.note(f"{os.getpid()} attempt {toolbox.attempt}")
        stop.wait(60)
        return TaskStatus.success(self.id)

    def stop_gracefully(self):
        self.note("stopped gracefully")
        stop.set()


stop = threading.Event()


@json_type("testMemory")
@frozen(kw_only=True, slots=False)
class MemoryTask(_TestTask):
    mebibytes: int = 1

    def run(self, toolbox):
        self.note(str(len(bytearray(self.mebibytes << 20))))
        return TaskStatus.success(self.id)


@json_type("testSettings")
@frozen(kw_only=True, slots=False)
class SettingsTask(_TestTask):
    """Notes what it was started with."""

    names: tuple[str, ...] = ()

    def run(self, toolbox):
        nice = str(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        for name in self.names:
            self.note(f"{name}={toolbox.properties.get(name) or {**os.environ, 'nice': nice}.get(name)}")
        return TaskStatus.success(self.id)


@json_type("testMasters")
@frozen(kw_only=True, slots=False)
class MastersTask(_TestTask):
    """Notes the Overlords that it knows, whenever they change, until it knows of none."""

    def run(self, toolbox):
        discovery = toolbox.get(DruidNodeDiscoveryProvider).get_for_node_role(NodeRole.OVERLORD)
        last = None
        while last != []:
            now = sorted(node.druid_node.service_url for node in discovery.all_nodes())
            if now != last:
                self.note(" ".join(now) or "none")
            last = now
            time.sleep(0.05)
        return TaskStatus.success(self.id)


@json_type("testChat")
@frozen(kw_only=True, slots=False)
class ChatTask(_TestTask, ChatHandler):
    def chat_routes(self):
        return {("GET", "liveReports"): lambda request: {"live": {"taskId": self.id}}}

    def run(self, toolbox):
        toolbox.chat_handlers.register(self.id, self)
        toolbox.report_writer.write(self.id, {"final": {"taskId": self.id}})
        self.note("open")
        while "done" not in Path(self.file).read_text():
            time.sleep(0.01)
        return TaskStatus.success(self.id)


@json_type("testPublish")
@frozen(kw_only=True, slots=False)
class PublishTask(_TestTask):
    """Locks a day, publishes one segment of it, and lingers before or after; each step is noted."""

    publish_completes_task = True
    linger_before_s: float = 0.0
    linger_after_s: float = 0.0

    def is_ready(self, client):
        return client.submit(LockTryAcquireAction(interval=DAY)) is not None

    def run(self, toolbox):
        self.note(f"{os.getpid()} attempt {toolbox.attempt}")
        (lock,) = toolbox.action_client.submit(LockListAction())
        stop.wait(self.linger_before_s)
        segment = DataSegment(self.data_source, DAY, lock.version, {"type": "local", "path": "x"})
        result = toolbox.action_client.submit(SegmentTransactionalInsertAction(segments=[segment]))
        self.note(f"published {result.success}")
        stop.wait(self.linger_after_s)
        return TaskStatus.success(self.id)


DAY = Interval.parse("2030-01-01/2030-01-02")
TEST_TASKS = [
    PublishTask,
    ExitTask,
    RaiseTask,
    HangTask,
    WaitTask,
    ChatTask,
    MemoryTask,
    SettingsTask,
    MastersTask,
]


def make_extensions():
    parts = [name for name in BUILTIN_EXTENSIONS if importlib.util.find_spec(name)]
    extensions = load_extensions({"druid.extensions.loadList": "[]"}, parts)
    for cls in TEST_TASKS:
        extensions.registry.add("task_types", cls, "tests")
    return extensions


def make_injector(properties):
    extensions = make_extensions()
    json = Json(extensions.registry)
    return Injector(
        [ProcessModule(extensions, json, SystemClock()), *peon_modules()],
        configurator=JsonConfigurator(Properties(dict(properties)), json),
        lifecycle=Lifecycle("peon"),
        name="peon",
        eagerly=False,
    )
