"""What a peon is made of: settings, injector, toolbox."""

from __future__ import annotations

import importlib
import json as plain_json
import logging
import os
import resource
import threading
from collections.abc import Callable, Mapping

from nemeton.emitter import ServiceEmitter
from nemeton.emitter.monitors.scheduler import MonitorScheduler
from nemeton.indexing.worker.action_client import RemoteTaskActionClient
from nemeton.indexing.worker.chat import PeonChatHandlers
from nemeton.indexing.worker.config import PEON_INJECTOR
from nemeton.indexing.worker.task_dirs import TaskDir
from nemeton.indexing.worker.toolboxes import TaskToolboxFactory
from nemeton.inject import Injector
from nemeton.json import Json
from nemeton.lifecycle import Lifecycle
from nemeton.model import DruidNode
from nemeton.rpc.overlord import OverlordClient
from nemeton.spi.indexing import Task, TaskConfig, TaskToolbox

log = logging.getLogger(__name__)

#: The value of ``druid.extensions.loadList`` for which the template loads extensions before it forks.
LOAD_LIST_ENV = "NEMETON_PEON_LOAD_LIST"


def _make_injector(properties: Mapping[str, str], maker: str) -> Injector:
    module, _, attribute = maker.partition(":")
    make: Callable[[Mapping[str, str]], Injector] = getattr(importlib.import_module(module), attribute)
    return make(properties)


def preload_extensions() -> None:
    """Import in the template what peons will need anyway: core's hook modules and the installed extensions'."""
    module, _, _ = PEON_INJECTOR.partition(":")
    preload = getattr(importlib.import_module(module), "preload", None)
    if preload is not None:
        preload(os.environ.get(LOAD_LIST_ENV))


class PeonContext:
    """The parts of one peon, made when they are needed; use it in a ``with``."""

    def __init__(self, directory: TaskDir, attempt: int, injector: Injector, properties: Mapping[str, str]) -> None:
        self._directory = directory
        self._attempt = attempt
        self._properties = properties
        self._closing = threading.Event()
        self._must_not_act = threading.Event()
        self._action_client: RemoteTaskActionClient | None = None
        self._lifecycle = injector.get(Lifecycle)
        self.injector = injector
        self.json = injector.get(Json)
        self.task_config = injector.get(TaskConfig)

    @property
    def is_closing(self) -> bool:
        """True once the worker wants the task to stop."""
        return self._closing.is_set()

    def begin_closing(self, *, may_still_act: bool) -> None:
        """Note that the worker wants the task to stop; unless ``may_still_act``, no action is sent any more."""
        self._closing.set()
        if not may_still_act:
            self._must_not_act.set()  # before the look at the client, which another thread may be about to make
            if self._action_client is not None:
                self._action_client.close()

    def make_toolbox(self, task: Task) -> TaskToolbox:
        """Make the toolbox. The HTTP port opens on first use."""
        self._action_client = RemoteTaskActionClient(task, self.injector.get(OverlordClient))
        if self._must_not_act.is_set():
            self._action_client.close()
        chat = PeonChatHandlers(self.injector, task.id)
        factory = TaskToolboxFactory(self.injector, self.task_config, self._properties)
        executor = _executor(self._properties)
        toolbox = factory.make(task, self._directory, self._attempt, self._action_client, chat, executor=executor)
        if self.injector.get(ServiceEmitter).emits:
            self.injector.get(MonitorScheduler)  # it starts with that
        if task.needs_server:
            chat.open()
        return toolbox

    def __enter__(self) -> PeonContext:
        self._lifecycle.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._lifecycle.stop()
        except Exception:
            log.exception("The peon did not stop cleanly")


def _executor(properties: Mapping[str, str]) -> DruidNode | None:
    """The worker that runs the peon, as it has told it (``druid.task.executor.*``)."""
    prefix = "druid.task.executor"
    if f"{prefix}.host" not in properties:
        return None
    return DruidNode(
        service_name=properties.get(f"{prefix}.service", "druid/middleManager"),
        host=properties[f"{prefix}.host"],
        plaintext_port=int(properties.get(f"{prefix}.plaintextPort", -1)),
        tls_port=int(properties.get(f"{prefix}.tlsPort", -1)),
        enable_tls_port=properties.get(f"{prefix}.enableTlsPort") == "true",
        enable_plaintext_port=properties.get(f"{prefix}.enablePlaintextPort") != "false",
    )


def make_context(directory: TaskDir, attempt: int) -> PeonContext:
    """Read the settings that the worker left, bound the memory as they say, and build the peon's injector."""
    settings = plain_json.loads((directory.attempt_dir(attempt) / "settings.json").read_text())
    if limit := settings.get("memoryLimit"):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    properties: dict[str, str] = settings["properties"]
    injector = _make_injector(properties, settings.get("injector", PEON_INJECTOR))
    return PeonContext(directory, attempt, injector, properties)
