"""Workers and the dynamic worker configuration over HTTP."""

from __future__ import annotations

from nemeton.http.client import HttpClientError
from nemeton.indexing.overlord.master import NotLeaderError, TaskMaster
from nemeton.indexing.overlord.resources.common import error
from nemeton.indexing.overlord.runners.worker_client import WorkerClient
from nemeton.indexing.overlord.strategies import WorkerBehaviorConfig
from nemeton.indexing.overlord.worker_behavior import CONFIG_KEY
from nemeton.metadata.audit import AuditManager
from nemeton.metadata.audit_requests import audit_info, history_answer
from nemeton.metadata.dynamic_config import ConfigManager
from nemeton.model import DruidNode, Worker
from nemeton.spi.http import Request, Resource, Response, config_read, config_write, route, state_read, state_write
from nemeton.spi.indexing import ImmutableWorkerInfo, TaskRunner, WorkerTaskRunner

_BASE = "/druid/indexer/v1"
_ASK_TIMEOUT_S = 60.0


class WorkerResource(Resource):
    """Workers that the runner knows, and slots."""

    def __init__(self, master: TaskMaster, node: DruidNode, client: WorkerClient) -> None:
        self._master = master
        self._node = node
        self._client = client

    @route("GET", _BASE + "/workers", access=state_read)
    def workers(self, request: Request) -> object:
        """All workers with their load; the runner ``local`` shows itself as one."""
        return self._workers(self._master.task_runner)

    def _workers(self, runner: TaskRunner) -> list[ImmutableWorkerInfo]:
        if isinstance(runner, WorkerTaskRunner):
            return list(runner.get_workers())
        return [_own_worker(runner, self._node)]

    @route("GET", _BASE + "/totalWorkerCapacity", access=config_read)
    def total_worker_capacity(self, request: Request) -> object:
        """Slots in all, in use, and at most."""
        runner = self._master.task_runner
        return {
            "currentClusterCapacity": runner.total_capacity(),
            "maximumCapacityWithAutoScale": runner.maximum_capacity_with_autoscale(),
            "usedClusterCapacity": runner.used_capacity(),
        }

    @route("GET", _BASE + "/scaling", access=state_read)
    def scaling(self, request: Request) -> object:
        """What was provisioned and terminated lately; empty without an autoscaler, and without a runner."""
        try:
            stats = self._master.task_runner.scaling_stats()
        except NotLeaderError:
            stats = None
        return Response(200, media_type="application/json") if stats is None else stats

    @route("POST", _BASE + "/worker/{host}/enable", access=state_write)
    def enable(self, request: Request) -> object:
        """Let a worker take tasks again; it is the worker that is asked."""
        return self._ask_worker(request, "enable")

    @route("POST", _BASE + "/worker/{host}/disable", access=state_write)
    def disable(self, request: Request) -> object:
        """Keep a worker from taking tasks; it is the worker that is asked."""
        return self._ask_worker(request, "disable")

    def _ask_worker(self, request: Request, action: str) -> object:
        runner, host = self._master.task_runner, request.path_params["host"]
        worker = next((info.worker for info in self._workers(runner) if info.worker.host == host), None)
        if worker is None:
            return error(500, f"Worker on host {host} does not exists")
        if not isinstance(runner, WorkerTaskRunner):
            return error(500, "Task Runner does not support enable/disable worker actions")
        try:
            answer = self._client.post(worker, f"/druid/worker/v1/{action}", timeout_s=_ASK_TIMEOUT_S)
        except HttpClientError as failure:
            return error(500, str(failure))
        if answer.status != 200:
            return error(500, f"Action [{action.upper()}] failed for worker [{host}] with status {answer.status}")
        return {host: f"{action}d"}


def _own_worker(runner: TaskRunner, node: DruidNode) -> ImmutableWorkerInfo:
    running = list(runner.get_running_tasks())
    by_type: dict[str, int] = {}
    for item in running:
        by_type[item.task_type] = by_type.get(item.task_type, 0) + 1
    return ImmutableWorkerInfo(
        worker=Worker(node.service_scheme, node.host_and_port_to_use, node.host, runner.total_capacity(), "0"),
        curr_capacity_used=runner.used_capacity(),
        curr_parallel_index_capacity_used=by_type.get("index_parallel", 0),
        curr_capacity_used_by_task_type=by_type,
        availability_groups=frozenset(item.task_id for item in running),
        running_tasks=frozenset(item.task_id for item in running),
    )


class WorkerConfigResource(Resource):
    """``worker.config``: how workers are selected."""

    def __init__(self, config: ConfigManager, audit: AuditManager) -> None:
        self._config = config
        self._audit = audit

    @route("GET", _BASE + "/worker", access=config_read)
    def get(self, request: Request) -> object:
        """The configuration; empty while none was ever set."""
        stored = self._config.get_bytes(CONFIG_KEY)
        return Response(200, body=stored or b"", media_type="application/json")

    @route("POST", _BASE + "/worker", access=config_write)
    def set(self, request: Request) -> object:
        """Set the configuration; 400 for a strategy or an autoscaler that is not known here."""
        config = request.json(WorkerBehaviorConfig)
        if config is None:
            return error(400, "A worker configuration is required")
        self._config.set(CONFIG_KEY, config, audit_info(request))
        return Response(200)

    @route("GET", _BASE + "/worker/history", access=config_read)
    def history(self, request: Request) -> object:
        """Changes within ``interval``, or the last ``count``, or those of the last week."""
        return history_answer(request, self._audit, CONFIG_KEY, CONFIG_KEY)
