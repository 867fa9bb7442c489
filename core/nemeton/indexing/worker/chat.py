"""The peon's own HTTP end points: ``/druid/worker/v1/chat/<task id>/…``."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from urllib.parse import quote

from nemeton.http.server import HttpServer
from nemeton.inject import Injector
from nemeton.spi.http import Request, Resource, Response, StreamingResponse, internal, route
from nemeton.spi.indexing import ChatHandler, ChatHandlerProvider

log = logging.getLogger(__name__)

_TASK_ID_HEADER = "X-Druid-Task-Id"


class ChatHandlerRegistry:
    """Chat handlers by task id, and which task this process runs. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handlers: dict[str, ChatHandler] = {}
        self.task_id = ""

    def put(self, task_id: str, handler: ChatHandler) -> None:
        """Add a handler, in the place of an earlier one."""
        with self._lock:
            self._handlers[task_id] = handler

    def remove(self, task_id: str) -> None:
        """Answer no more for the task; unknown ids are fine."""
        with self._lock:
            self._handlers.pop(task_id, None)

    def get(self, task_id: str) -> ChatHandler | None:
        """The task's handler; None when it has none."""
        with self._lock:
            return self._handlers.get(task_id)

    def answering(self, asked: str) -> str:
        """The task that answers here who asks for a task: this process's only one, or the one asked for; or none."""
        return self.task_id or (asked if self.get(asked) is not None else "")


class ChatResource(Resource):
    """Passes requests on to the handler of the task that they name.

    Every answer names the task that runs here, so that a caller sees when a port has been given to another task.
    """

    def __init__(self, registry: ChatHandlerRegistry) -> None:
        self._registry = registry

    @route("GET", "/druid/worker/v1/chat/{id}/{path:path}", access=internal, produces=None)
    def get(self, request: Request) -> object:
        """Whatever the handler answers to a GET of that path."""
        return self._dispatch(request)

    @route("POST", "/druid/worker/v1/chat/{id}/{path:path}", access=internal, produces=None)
    def post(self, request: Request) -> object:
        """Whatever the handler answers to a POST to that path."""
        return self._dispatch(request)

    def _dispatch(self, request: Request) -> object:
        asked = request.path_params["id"]
        handler = self._registry.get(asked)
        headers = {_TASK_ID_HEADER: quote(self._registry.answering(asked), safe="")}
        routes: Mapping[tuple[str, str], object] = {} if handler is None else handler.chat_routes()
        target = routes.get((request.method, request.path_params["path"].strip("/")))
        if not callable(target):
            return Response(404, headers=headers)
        answer = target(request)
        if isinstance(answer, Response | StreamingResponse):
            answer.headers = {**answer.headers, **headers}
            return answer
        return Response(200, json=answer, headers=headers)


class IndexerChatHandlers(ChatHandlerProvider):
    """See :class:`ChatHandlerProvider`. In a process that runs many tasks, and listens anyway."""

    def __init__(self, registry: ChatHandlerRegistry) -> None:
        self._registry = registry

    def register(self, task_id: str, handler: ChatHandler) -> None:
        """See :class:`ChatHandlerProvider`."""
        self._registry.put(task_id, handler)

    def unregister(self, task_id: str) -> None:
        """See :class:`ChatHandlerProvider`."""
        self._registry.remove(task_id)


class PeonChatHandlers(ChatHandlerProvider):
    """See :class:`ChatHandlerProvider`. The peon's port is opened with the first handler."""

    def __init__(self, injector: Injector, task_id: str) -> None:
        self._injector = injector
        self._registry = injector.get(ChatHandlerRegistry)
        self._registry.task_id = task_id
        self._lock = threading.Lock()
        self._opened = False

    def register(self, task_id: str, handler: ChatHandler) -> None:
        """See :class:`ChatHandlerProvider`."""
        self._registry.put(task_id, handler)
        self.open()

    def unregister(self, task_id: str) -> None:
        """See :class:`ChatHandlerProvider`."""
        self._registry.remove(task_id)

    def open(self) -> None:
        """Listen, if that is not done yet. A port that cannot be had is logged: the task goes on without."""
        with self._lock:
            if self._opened:
                return
            try:
                self._injector.get(HttpServer)  # joins the peon's lifecycle, which starts it and stops it at the end
            except Exception:
                log.exception("The task's port cannot be opened; nobody can ask it for live reports")
                return
            self._opened = True
