"""Telling Historicals what to load, where there is no Coordinator."""

from __future__ import annotations

from nemeton.http.client import HttpClient
from nemeton.testkit.waiting import eventually

SEGMENTS = "/druid-internal/v1/segments"
client = HttpClient(timeout_s=120)


def tell(historical, action, wanted):
    """Have the segments loaded or dropped; those that are not done are asked for again, as a Coordinator does."""
    left = [{"action": action, **segment} for segment in wanted]

    def done():
        nonlocal left
        answer = client.request("POST", f"{historical}{SEGMENTS}/changeRequests?timeout=60000", json=left)
        states = (
            [each["status"]["state"] for each in answer.json()] if answer.status == 200 else ["PENDING"] * len(left)
        )
        assert "FAILED" not in states
        left = [request for request, state in zip(left, states, strict=True) if state == "PENDING"]
        return not left

    eventually(done, f"{action} at {historical}", 120)
