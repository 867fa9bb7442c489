"""A supervisor task and its sub tasks in threads: an Overlord in memory, chat by way of JSON, no ports."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from attrs import define, field
from tests.unit.indexing.batch.fakes import ChatHandlers, FakeOverlord, FolderPusher, Reports
from tests.unit.ingest.helpers import converter

from nemeton.common.clock import SystemClock
from nemeton.http.client import EscalatedHttpClient, HttpClientError, HttpResponse
from nemeton.indexing.actions import RetrieveSegmentsByIdAction, SurrogateAction
from nemeton.indexing.worker.config import WorkerConfig
from nemeton.indexing.worker.shuffle.local import LocalIntermediaryDataManager
from nemeton.indexing.worker.shuffle.manager import IntermediaryDataManager
from nemeton.indexing.worker.shuffle.metrics import ShuffleMetrics
from nemeton.indexing.worker.shuffle.resource import ShuffleResource
from nemeton.model import DataSegment, DruidNode, TaskLocation, TaskState, TaskStatus
from nemeton.rpc.errors import HttpResponseError
from nemeton.spi.http import SMILE, Request, Response, StreamingResponse
from nemeton.spi.indexing import Task, TaskConfig, TaskToolbox
from nemeton.spi.storage import DataSegmentKiller
from nemeton.storage.local import LocalDataSegmentPuller

SUPERVISOR = "http://supervisor:8100"
WORKER = "http://worker:8091"


@define
class Run:
    """One task and how it stands."""

    task: Task
    status: TaskStatus
    toolbox: TaskToolbox
    thread: threading.Thread | None = None
    reports: Reports = field(factory=Reports)


class ParallelBench:
    """Runs one supervisor task; its sub tasks run in threads, at once, and may be made to fail.

    ``trouble``: called with each sub task before it runs; what it raises fails the sub task.
    """

    def __init__(self, spec: dict[str, Any], folder: Path, *, context: dict[str, Any] | None = None, **more: Any):
        self.folder = folder
        more = {"spec": spec, **more} if "dataSchema" in spec else {**spec, **more}
        task = {"type": "index_parallel", "context": context or {}, **more}
        self.task: Task = converter().structure(task, Task)
        self.overlord = FakeOverlord(self.task)
        self.pusher = FolderPusher(folder / "deep")
        self.chat = ChatHandlers()
        self.shuffle: IntermediaryDataManager = LocalIntermediaryDataManager(
            TaskConfig(base_task_dir=str(folder / "tasks")), WorkerConfig(), OverlordClient(self), SystemClock()
        )
        self.shuffled = ShuffleMetrics()
        self.worker = ShuffleResource(self.shuffle, self.shuffled)
        self.runs: dict[str, Run] = {}
        self.most_at_once = 0
        self.cancelled: list[str] = []
        self.trouble: Callable[[Task], None] = lambda task: None
        self.after: Callable[[Task], None] = lambda task: None
        self.sent: list[tuple[str, Any]] = []
        self._lock = threading.RLock()
        self._running = 0

    # ---- the supervisor task

    def run(self) -> TaskStatus:
        assert self.task.is_ready(self.overlord)
        run = Run(self.task, TaskStatus.running(self.task.id), None)  # type: ignore[arg-type]
        run.toolbox = self.toolbox(self.task, run.reports)
        self.runs[self.task.id] = run
        run.status = self.task.run(run.toolbox)
        for other in self.sub_runs:
            assert other.thread is not None
            other.thread.join(20)
        return run.status

    @property
    def sub_runs(self) -> list[Run]:
        with self._lock:
            return [run for run in self.runs.values() if run.task is not self.task]

    @property
    def segments(self) -> list[DataSegment]:
        assert len(self.overlord.published) == 1
        return sorted(self.overlord.published[0], key=lambda s: (s.interval.start, s.partition_num))

    @property
    def payload(self) -> dict[str, Any]:
        return self.runs[self.task.id].reports.written["ingestionStatsAndErrors"]["payload"]

    def toolbox(self, task: Task, reports: Reports) -> TaskToolbox:
        work = self.folder / "work" / task.id
        work.mkdir(parents=True)
        return TaskToolbox(
            task=task,
            config=TaskConfig(),
            node=DruidNode("druid/peon", "localhost", 8100),
            action_client=ActionClient(self, task),
            data_segment_pusher=self.pusher,
            data_segment_puller=LocalDataSegmentPuller(),
            data_segment_killer=FolderKiller(self.pusher),
            work_dir=work,
            json=converter(),
            clock=SystemClock(),
            emitter=None,
            report_writer=reports,
            chat_handlers=self.chat,
            overlord_client=OverlordClient(self),
            injector=ThingsByType({EscalatedHttpClient: ChatHttp(self), IntermediaryDataManager: self.shuffle}),
            task_executor_node=DruidNode("druid/middleManager", "worker", plaintext_port=8091),
        )

    # ---- sub tasks

    def submit(self, payload: Any) -> str:
        task = converter().structure(converter().unstructure(payload), Task)
        with self._lock:
            if task.id in self.runs:
                raise refusal(f"Task[{task.id}] already exists!")
            run = Run(task, TaskStatus.running(task.id), None)  # type: ignore[arg-type]
            run.toolbox = self.toolbox(task, run.reports)
            self.runs[task.id] = run
        run.thread = threading.Thread(target=self._run_sub_task, args=(run,))
        run.thread.start()
        return task.id

    def _run_sub_task(self, run: Run) -> None:
        with self._lock:
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        try:
            assert run.task.is_ready(run.toolbox.action_client)
            self.trouble(run.task)
            status = run.task.run(run.toolbox)
            self.after(run.task)
        except Exception as e:  # noqa: BLE001 - whatever it is, the sub task has failed
            status = TaskStatus.failure(run.task.id, str(e))
        with self._lock:
            self._running -= 1
            if run.status.status is TaskState.RUNNING:
                run.status = status


class ThingsByType(dict):
    """An injector of what it was given."""

    def get(self, cls: type, name: str | None = None) -> Any:
        return self[cls]


@define
class ActionClient:
    """The Overlord's end point for actions, by way of JSON; surrogate actions are the supervisor task's."""

    bench: ParallelBench
    task: Task

    def submit(self, action: Any) -> Any:
        json = converter()
        if isinstance(action, SurrogateAction):
            assert action.surrogate_id == self.bench.task.id
            assert self.task.group_id == self.bench.task.group_id
            inner = action.task_action
        else:
            assert self.task is self.bench.task or isinstance(action, RetrieveSegmentsByIdAction)
            inner = action
        copy = json.structure(json.unstructure(inner), type(inner))
        with self.bench._lock:
            result = self.bench.overlord.submit(copy)
        return json.structure(json.unstructure(result), action.result_type)


@define
class OverlordClient:
    """The calls that supervisor tasks and sub tasks make of the Overlord."""

    bench: ParallelBench

    def with_policy(self, policy: Any) -> OverlordClient:
        return self

    def run_task(self, task: Any) -> str:
        return self.bench.submit(task)

    def cancel_task(self, task_id: str) -> None:
        with self.bench._lock:
            run = self.bench.runs[task_id]
            run.status = TaskStatus.failure(task_id, "Shutdown request from user")
            self.bench.cancelled.append(task_id)
        run.task.stop_gracefully()

    def task_statuses(self, task_ids: Any) -> dict[str, TaskStatus]:
        found = {id_: self.bench.runs[id_] for id_ in task_ids if id_ in self.bench.runs}
        return {id_: _located(run.status) for id_, run in found.items()}

    def task_status(self, task_id: str) -> dict[str, Any] | None:
        run = self.bench.runs.get(task_id)
        return None if run is None else {"id": task_id, "statusCode": str(run.status.status)}

    def task_report(self, task_id: str) -> dict[str, Any] | None:
        handler = self.bench.chat.handlers.get(task_id)
        return None if handler is None else handler.chat_routes()["GET", "liveReports"](Request("GET", "/"))


def _located(status: TaskStatus) -> TaskStatus:
    return status.with_location(TaskLocation("supervisor", 8100, -1))


@define
class ChatHttp:
    """HTTP to the supervisor task's chat handler."""

    bench: ParallelBench

    def request(self, method: str, url: str, *, json: Any = None, timeout_s: float = 0, **more: Any) -> HttpResponse:
        if url.startswith(WORKER):
            return self._of_worker(method, url)
        if not url.startswith(SUPERVISOR):
            raise HttpClientError(f"nobody is at {url}")
        _, _, _, _, _, task_id, path = urlsplit(url).path.split("/", 6)
        handler = self.bench.chat.handlers.get(unquote(task_id))
        assert more == {"smile": True}, "Druid's supervisor tasks accept nothing else"
        body = converter().dumps_smile(json)
        self.bench.sent.append((path, converter().loads_smile(body)))
        if handler is None:
            return HttpResponse(404, {"X-Druid-Task-Id": "another"}, url)
        answer = handler.chat_routes()[method, path](smile_request(method, path, body))
        if not isinstance(answer, Response):
            answer = Response(json=answer)
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        return HttpResponse(answer.status, {}, url, body if body is not None else converter().dumps(answer.json))

    def _of_worker(self, method: str, url: str) -> HttpResponse:
        parts = urlsplit(url.removeprefix(WORKER + "/druid/worker/v1/shuffle/task/"))
        supervisor, _, rest = parts.path.partition("/")
        params = {"supervisor": unquote(supervisor), "sub_task": unquote(rest.removesuffix("/partition"))}
        request = Request(method, parts.path, parts.query, path_params=params)
        answer = self.bench.worker.delete(request) if method == "DELETE" else self.bench.worker.partition(request)
        if isinstance(answer, StreamingResponse):
            return HttpResponse(200, {}, url, b"".join(answer.iterator))
        return HttpResponse(answer.status, {}, url, str(answer.body or "").encode())


@define
class FolderKiller(DataSegmentKiller):
    """Removes what a `FolderPusher` has pushed."""

    pusher: FolderPusher

    def kill(self, segments: Any) -> None:
        for segment in segments:
            shutil.rmtree(segment.load_spec["path"])


def smile_request(method: str, path: str, body: bytes) -> Request:
    return Request(method, path, headers={"content-type": SMILE}, body=body, json=converter())


def refusal(message: str) -> HttpResponseError:
    return HttpResponseError("overlord", "POST /task", HttpResponse(400, {}, "http://overlord", message.encode()))
