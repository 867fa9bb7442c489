"""The Overlord as its clients see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from nemeton.model import TaskStatus
from nemeton.rpc.client import RetryPolicy, ServiceClient
from nemeton.rpc.errors import HttpResponseError

_BASE = "/druid/indexer/v1"


class OverlordClient:
    """Typed calls of the Overlord's API (Druid's OverlordClient). Thread-safe; failures as in `ServiceClient`."""

    def __init__(self, client: ServiceClient) -> None:
        self.client = client

    def with_policy(self, policy: RetryPolicy) -> OverlordClient:
        """The same with other patience."""
        return OverlordClient(self.client.with_policy(policy))

    def find_current_leader(self) -> str:
        """The leader's base URL."""
        return self.client.request("GET", f"{_BASE}/leader").text.strip().strip('"')

    def run_task(self, task: Any) -> str:
        """Submit a task, a JSON-able one or a `Task`; its id."""
        answer = self.client.request("POST", f"{_BASE}/task", json=task).json()
        return str(answer["task"])

    def cancel_task(self, task_id: str) -> None:
        """Ask that the task be shut down; it may take a while to end."""
        self.client.request("POST", f"{_BASE}/task/{_part(task_id)}/shutdown")

    def task_status(self, task_id: str) -> dict[str, Any] | None:
        """The status as the API gives it (``statusCode``, ``duration`` …); None for an unknown task."""
        answer = self._get_or_none(f"{_BASE}/task/{_part(task_id)}/status")
        return None if answer is None else dict(answer["status"])

    def task_statuses(self, task_ids: Sequence[str]) -> dict[str, TaskStatus]:
        """The statuses of those tasks that are known."""
        if not task_ids:
            return {}
        answer = self.client.request("POST", f"{_BASE}/taskStatus", json=list(task_ids))
        found: dict[str, TaskStatus] = answer.json(dict[str, TaskStatus])
        return found

    def task_payload(self, task_id: str) -> dict[str, Any] | None:
        """The task as it was submitted; None for an unknown one."""
        answer = self._get_or_none(f"{_BASE}/task/{_part(task_id)}")
        return None if answer is None else dict(answer["payload"])

    def task_report(self, task_id: str) -> dict[str, Any] | None:
        """The task's reports; None while there are none."""
        answer = self._get_or_none(f"{_BASE}/task/{_part(task_id)}/reports")
        return None if answer is None else dict(answer)

    def task_log(self, task_id: str, offset: int = 0) -> Iterator[bytes]:
        """The task's log from an offset (negative: from the end), in pieces."""
        with self.client.request("GET", f"{_BASE}/task/{_part(task_id)}/log?offset={offset}", stream=True) as answer:
            yield from answer.stream()

    def tasks(self, *, state: str | None = None, datasource: str | None = None, max_: int | None = None) -> list[Any]:
        """Tasks by state (``pending``, ``running`` …) and data source."""
        given = {"state": state, "datasource": datasource, "max": max_}
        query = urlencode({name: value for name, value in given.items() if value is not None})
        answer = self.client.request("GET", f"{_BASE}/tasks{'?' if query else ''}{query}").json()
        return list(answer)

    def submit_action(self, task: Any, action: Any, result: Any = Any) -> Any:
        """Have the Overlord perform a task's action; what it returned, structured as `result`."""
        answer = self.client.request("POST", f"{_BASE}/action", json={"task": task, "action": action})
        holder = answer.json(dict[str, Any])
        value = holder.get("result")
        converter = answer._json
        return value if result is Any or converter is None else converter.structure(value, result)

    def _get_or_none(self, path: str) -> Any:
        try:
            return self.client.request("GET", path).json()
        except HttpResponseError as failure:
            if failure.status == 404:
                return None
            raise


def _part(text: str) -> str:
    """One segment of a path."""
    return quote(text, safe="")
