"""Workers that only pretend to run tasks, but speak Druid's worker protocol over real HTTP.

``FakeFleet`` is one event loop on a thread of its own, for a thousand workers if need be. Each `FakeWorker` has a port
of its own, its long-poll history and its tasks, which it reports to run at once and to succeed after ``runTime``
milliseconds (as a ``noop`` task has it).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from nemeton.model import DiscoveryDruidNode, DruidNode, NodeRole, WorkerNodeService

SMILE = "application/x-jackson-smile"
NOWHERE = {"host": None, "port": -1, "tlsPort": -1}
_HISTORY = 1000

Answer = tuple[int, Any]


class FakeFleet:
    """The workers' event loop; a context manager."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.workers: list[FakeWorker] = []
        self._thread = threading.Thread(target=self._run, name="fake-fleet", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def call(self, fn: Callable[[], Any] | Coroutine[Any, Any, Any]) -> Any:
        """Run a function or coroutine on the loop; wait for what it returns."""

        async def call() -> Any:
            return fn() if callable(fn) else await fn

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(30)

    def add_worker(self, port: int = 0, **settings: Any) -> FakeWorker:
        worker = FakeWorker(self, port, **settings)
        self.workers.append(worker)
        worker.start()
        return worker

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.call(self._end_tasks())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    @staticmethod
    async def _end_tasks() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __enter__(self) -> FakeFleet:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


class FakeWorker:
    """One worker. Everything public may be called from any thread.

    ``answer_assign``: what assignTask answers instead of taking the task (a status), or None. ``silent``: it takes
    tasks and tells nobody. ``hold``: tasks run until `finish`. ``asked``: the requests that it got, as (method, path).
    """

    def __init__(
        self,
        fleet: FakeFleet,
        port: int = 0,
        *,
        capacity: int = 3,
        category: str = "_default_worker_category",
        version: str = "0",
        hold: bool = False,
        keeps: int = 100,
    ) -> None:
        self.fleet = fleet
        self.port = port
        self.capacity = capacity
        self.category = category
        self.version = version
        self.hold = hold
        self.keeps = keeps
        self.answer_assign: int | None = None
        self.silent = False
        self.disabled = False
        self.frozen: asyncio.Event | None = None
        self.asked: deque[tuple[str, str]] = deque(maxlen=10_000)
        self.observers: list[Callable[[str, dict[str, Any], bool], None]] = []
        self.assigned: list[str] = []
        self.shut_down: list[str] = []
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._forget_everything()

    def _forget_everything(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self._ended: deque[str] = deque()
        self._changes: deque[tuple[int, int, dict[str, Any]]] = deque(maxlen=_HISTORY)
        self._counter = 0
        self._hash = time.time_ns()
        self._polls: set[asyncio.Future[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # ---- life

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def node(self) -> DiscoveryDruidNode:
        """Its record in discovery."""
        return DiscoveryDruidNode(
            DruidNode("druid/middleManager", "localhost", plaintext_port=self.port),
            NodeRole.MIDDLE_MANAGER,
            {WorkerNodeService.NAME: WorkerNodeService("localhost", self.capacity, self.version, self.category)},
        )

    def start(self) -> None:
        async def listen() -> None:
            self._server = await self.fleet.loop.create_server(lambda: _Connection(self), "localhost", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

        self.fleet.call(listen())

    def kill(self) -> None:
        """As kill -9: connections break, nobody listens, its tasks are gone."""

        def kill() -> None:
            if self._server is not None:
                self._server.close()
            for connection in list(self._connections):
                connection.abort()
            for timer in self._timers.values():
                timer.cancel()
            self._forget_everything()

        self.fleet.call(kill)

    def restart(self) -> None:
        """On the same port, without tasks."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """As SIGSTOP: connections are accepted and requests read, but nothing is answered."""
        self.fleet.call(lambda: setattr(self, "frozen", asyncio.Event()))

    def thaw(self) -> None:
        def thaw() -> None:
            if self.frozen is not None:
                self.frozen.set()
                self.frozen = None

        self.fleet.call(thaw)

    # ---- tasks

    def run(self, task: dict[str, Any]) -> None:
        """Take a task, as if an Overlord had given it."""
        self.fleet.call(lambda: self._take(task))

    def finish(self, task_id: str, status: str = "SUCCESS", error: str | None = None) -> None:
        self.fleet.call(lambda: self._end(task_id, status, error))

    def move(self, task_id: str, port: int) -> None:
        """Report another location."""
        self.fleet.call(lambda: self._update(task_id, location={"host": "localhost", "port": port, "tlsPort": -1}))

    def forget(self, task_id: str) -> None:
        """Tell that it does not have the task any more."""

        def forget() -> None:
            self.tasks.pop(task_id, None)
            self._tell({"type": "taskRemoval", "taskId": task_id})

        self.fleet.call(forget)

    def set_disabled(self, disabled: bool) -> None:
        self.fleet.call(lambda: self._set_disabled(disabled))

    def _set_disabled(self, disabled: bool) -> None:
        self.disabled = disabled
        self._tell({"type": "metadata", "disabled": disabled})

    def _take(self, task: dict[str, Any]) -> None:
        task_id = task["id"]
        if task_id in self.tasks:
            return
        self.assigned.append(task_id)
        if self.silent:
            return
        self.tasks[task_id] = _announcement(task, "RUNNING")
        self._update(task_id, is_new=True)
        self._update(task_id, location={"host": "localhost", "port": self.port, "tlsPort": -1})
        if not self.hold:
            delay = task.get("runTime", 0) / 1000
            self._timers[task_id] = self.fleet.loop.call_later(delay, self._end, task_id, "SUCCESS", None)

    def _end(self, task_id: str, status: str, error: str | None) -> None:
        if (timer := self._timers.pop(task_id, None)) is not None:
            timer.cancel()
        if task_id in self.tasks and self.tasks[task_id]["status"] == "RUNNING":
            self._update(task_id, status=status, error=error)
            self._ended.append(task_id)
            while len(self._ended) > self.keeps:
                forgotten = self._ended.popleft()
                self.tasks.pop(forgotten, None)
                self._tell({"type": "taskRemoval", "taskId": forgotten})

    def _update(
        self,
        task_id: str,
        *,
        status: str | None = None,
        error: str | None = None,
        location: Any = None,
        is_new: bool = False,
    ) -> None:
        old = self.tasks[task_id]
        status = status or old["status"]
        said = {**old["taskStatus"], "status": status, "duration": -1 if status == "RUNNING" else 1, "errorMsg": error}
        new = {**old, "status": status, "taskStatus": said, "taskLocation": location or old["taskLocation"]}
        self.tasks[task_id] = new
        for observer in self.observers:
            observer(task_id, new, is_new)
        self._tell({"type": "taskUpdate", "taskAnnouncement": new})

    # ---- the long poll

    def _tell(self, change: dict[str, Any]) -> None:
        self._counter += 1
        self._hash = time.time_ns()
        self._changes.append((self._counter, self._hash, change))
        polls, self._polls = self._polls, set()
        for poll in polls:
            if not poll.done():
                poll.set_result(None)

    def _snapshot(self) -> dict[str, Any]:
        updates = [{"type": "taskUpdate", "taskAnnouncement": task} for task in self.tasks.values()]
        return self._answered([{"type": "metadata", "disabled": self.disabled}, *updates])

    def _answered(self, requests: list[dict[str, Any]]) -> dict[str, Any]:
        counter = {"counter": self._counter, "hash": self._hash}
        return {"resetCounter": False, "resetCause": None, "counter": counter, "requests": requests}

    async def _poll(self, counter: int, hash_: int, timeout_ms: int) -> Answer:
        if counter < 0:
            return 200, self._snapshot()
        oldest = self._changes[0][0] if self._changes else self._counter + 1
        known = (
            hash_ == self._hash
            if counter == self._counter
            else any(c == counter and h == hash_ for c, h, _ in self._changes)
        )
        if not known or counter + 1 < oldest:
            return 200, {"resetCounter": True, "resetCause": "no such place", "counter": None, "requests": None}
        if counter == self._counter:
            poll = self.fleet.loop.create_future()
            self._polls.add(poll)
            try:
                await asyncio.wait_for(poll, timeout_ms / 1000)
            except TimeoutError:
                return 204, None
            finally:
                self._polls.discard(poll)
        return 200, self._answered([change for number, _, change in self._changes if number > counter])

    # ---- requests

    async def respond(self, method: str, target: str, body: bytes, content_type: str) -> Answer:
        url = urlsplit(target)
        self.asked.append((method, url.path))
        if self.frozen is not None:
            await self.frozen.wait()
        if url.path == "/druid-internal/v1/worker":
            query = {name: int(values[0]) for name, values in parse_qs(url.query).items()}
            return await self._poll(query["counter"], query.get("hash", 0), query["timeout"])
        if url.path == "/druid-internal/v1/worker/assignTask":
            if self.answer_assign is not None:
                return self.answer_assign, {"error": "as told"}
            self._take(_read(body, content_type))
            return 200, None
        parts = [unquote(part) for part in url.path.split("/")]
        if parts[1:4] == ["druid", "worker", "v1"]:
            return self._worker_api(parts[4:], url.query)
        return 404, None

    def _worker_api(self, parts: list[str], query: str) -> Answer:
        match parts:
            case ["task", task_id, "shutdown"]:
                self.shut_down.append(task_id)
                self._end(task_id, "FAILED", "Task execution process exited unsuccessfully with code[130].")
                return 200, {"task": task_id}
            case ["task", task_id, "log"] if task_id in self.tasks:
                return 200, f"log of {task_id} {query}".encode()
            case ["chat", task_id, "liveReports"] if task_id in self.tasks:
                return 200, {"reportOf": task_id}
            case ["enable" | "disable" as action]:
                self._set_disabled(action == "disable")
                return 200, {self.host: f"{action}d"}
            case ["enabled"]:
                return 200, {self.host: not self.disabled}
            case ["tasks"]:
                return 200, [id_ for id_, task in self.tasks.items() if task["status"] == "RUNNING"]
        return 404, None


def _announcement(task: dict[str, Any], status: str) -> dict[str, Any]:
    task_id = task["id"]
    resource = task.get("resource") or {"availabilityGroup": task_id, "requiredCapacity": 1}
    said = {"id": task_id, "status": status, "duration": -1, "errorMsg": None, "location": NOWHERE}
    return {
        "id": task_id,
        "type": task["type"],
        "status": status,
        "taskStatus": said,
        "taskResource": resource,
        "taskLocation": NOWHERE,
        "taskDataSource": task.get("dataSource", "none"),
    }


def _read(body: bytes, content_type: str) -> Any:
    if content_type == SMILE:
        from nemeton.json import smile

        return smile.loads(body)
    return json.loads(body)


def _write(value: Any, accept: str) -> tuple[str, bytes]:
    if isinstance(value, bytes):
        return "text/plain;charset=utf-8", value
    if accept == SMILE:
        from nemeton.json import smile

        return SMILE, smile.dumps(value)
    return "application/json", json.dumps(value).encode()


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: requests one after the other, bodies by Content-Length."""

    def __init__(self, worker: FakeWorker) -> None:
        self._worker = worker
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._worker._connections.add(self)

    def connection_lost(self, failure: Exception | None) -> None:
        self._worker._connections.discard(self)
        if self._answering is not None:
            self._answering.cancel()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def _next(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or self._answering is not None:
            return
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        coroutine = self._answer(method, target, rest[:length], headers)
        self._answering = self._worker.fleet.loop.create_task(coroutine)

    async def _answer(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            status, value = await self._worker.respond(method, target, body, headers.get("content-type", ""))
            content_type, content = ("", b"") if value is None else _write(value, headers.get("accept", ""))
            head = f"HTTP/1.1 {status} X\r\n"
            if status != 204:
                head += f"Content-Length: {len(content)}\r\n"
            if content_type:
                head += f"Content-Type: {content_type}\r\n"
            assert self._transport is not None
            self._transport.write(head.encode() + b"\r\n" + content)
            self._answering = None
            self._next()


class FakeZkWorker:
    """The side of a `FakeWorker` that is in ZooKeeper: announcement, task nodes, status nodes, in Druid's order.

    ``client`` is a started kazoo client, of which ephemeral nodes are; many workers may share it.
    """

    def __init__(self, worker: FakeWorker, client: Any, base: str = "/druid/indexer") -> None:
        self.worker = worker
        self.client = client
        self.base = base
        self._seen: set[str] = set()
        self._stopped = False
        worker.observers.append(self._changed)

    def path(self, kind: str, task_id: str = "") -> str:
        return f"{self.base}/{kind}/{self.worker.host}" + (f"/{task_id}" if task_id else "")

    def start(self) -> None:
        for kind in ("tasks", "status"):
            self.client.ensure_path(self.path(kind))
        self.announce()
        self.client.ChildrenWatch(self.path("tasks"), self._task_nodes)

    def announce(self) -> None:
        record = json.dumps(self.announcement()).encode()
        self.client.create(self.path("announcements"), record, ephemeral=True, makepath=True)

    def unannounce(self) -> None:
        self.client.delete(self.path("announcements"))

    def update(self, **changes: Any) -> None:
        """Change the announcement: ``version=""`` disables."""
        self.client.set(self.path("announcements"), json.dumps({**self.announcement(), **changes}).encode())

    def stop(self) -> None:
        self._stopped = True

    def announcement(self) -> dict[str, Any]:
        worker = self.worker
        return {
            "scheme": "http",
            "host": worker.host,
            "ip": "localhost",
            "capacity": worker.capacity,
            "version": worker.version,
            "category": worker.category,
        }

    def _task_nodes(self, names: list[str]) -> bool:
        for name in set(names) - self._seen:
            data, _ = self.client.get(self.path("tasks", name))
            self.worker.fleet.loop.call_soon_threadsafe(self.worker._take, json.loads(data))
        self._seen = set(names)
        return not self._stopped

    def _changed(self, task_id: str, announcement: dict[str, Any], is_new: bool) -> None:
        """On the fleet's loop: nothing here waits, and kazoo keeps the order."""
        if self._stopped:
            return
        data = json.dumps(announcement).encode()
        if is_new:
            self.client.create_async(self.path("status", task_id), data)
            self.client.delete_async(self.path("tasks", task_id))
        else:
            self.client.set_async(self.path("status", task_id), data)
