"""Finding a service and calling it, until a deadline."""

from __future__ import annotations

import pytest

from nemeton.http.client import HttpClientError, HttpResponse
from nemeton.rpc.client import RetryPolicy, ServiceClient
from nemeton.rpc.errors import HttpResponseError, RpcError
from nemeton.rpc.locator import StaticServiceLocator
from nemeton.rpc.overlord import OverlordClient


class Clock:
    """Sleeping moves it."""

    def __init__(self):
        self.time = 0.0
        self.pauses = []

    def monotonic(self):
        return self.time

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.time += seconds


class Http:
    """Answers from a script: URL → list of answers, the last of which repeats."""

    def __init__(self, clock, script):
        self.clock = clock
        self.script = {url: list(answers) for url, answers in script.items()}
        self.asked = []

    def request(self, method, url, *, json=None, body=None, headers=None, timeout_s=None, stream=False):
        self.asked.append(url)
        self.headers = headers
        self.timeout_s = timeout_s
        answers = self.script[url]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            self.clock.time += 0.01
            raise answer
        status, body, *rest = answer
        return HttpResponse(status, rest[0] if rest else {}, url, body)


REFUSED = HttpClientError("connection refused")


@pytest.fixture
def make():
    def make(script, *urls, **policy):
        clock = Clock()
        http = Http(clock, script)
        client = ServiceClient(
            "overlord",
            StaticServiceLocator(*urls),
            http,
            clock=clock,
            policy=RetryPolicy(**policy),
        )
        return client, http, clock

    return make


def test_an_answer(make):
    client, _, clock = make({"http://a/x": [(200, b"[1]")]}, "http://a")
    assert client.request("GET", "/x").json() == [1]
    assert clock.pauses == []


def test_redirects_are_followed_and_remembered(make):
    to_b = (307, b"", {"Location": "http://b/x?q"})
    client, http, clock = make(
        {"http://a/x": [to_b], "http://b/x?q": [(200, b"1")], "http://b/x": [(200, b"2")]}, "http://a"
    )
    assert client.request("GET", "/x").body == b"1"
    assert http.asked == ["http://a/x", "http://b/x?q"]
    assert client.request("GET", "/x").body == b"2"
    assert http.asked[2:] == ["http://b/x"]
    assert clock.pauses == []


def test_another_instance_stands_in(make):
    client, http, _ = make({"http://a/x": [REFUSED], "http://b/x": [(200, b"1")]}, "http://a", "http://b")
    assert client.request("GET", "/x").body == b"1"
    assert http.asked == ["http://a/x", "http://b/x"]


@pytest.mark.parametrize("first", [REFUSED, (503, b"busy"), (500, b"oops"), (429, b""), (307, b"", {})])
def test_what_is_worth_another_try(make, first):
    client, http, clock = make({"http://a/x": [first, first, (200, b"1")]}, "http://a")
    assert client.request("GET", "/x").body == b"1"
    assert len(http.asked) == 3
    assert 0.05 <= clock.pauses[0] <= 0.15
    assert 0.1 <= clock.pauses[1] <= 0.3


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_is_not(make, status):
    client, http, _ = make({"http://a/x": [(status, b"because")]}, "http://a")
    with pytest.raises(
        HttpResponseError, match=rf"Service \[overlord\] answered GET /x with status {status}: because"
    ) as failure:
        client.request("GET", "/x")
    assert failure.value.status == status
    assert len(http.asked) == 1
    assert client.request("GET", "/x", accept=frozenset({status})).status == status


def test_the_deadline(make):
    client, http, clock = make(
        {"http://a/x": [REFUSED], "http://b/x": [(503, b"no leader")]}, "http://a", "http://b", deadline_s=10
    )
    with pytest.raises(RpcError) as failure:
        client.request("GET", "/x")
    message = str(failure.value)
    assert message.startswith("Service [overlord] did not answer GET /x within")
    assert "(tried: http://a, http://b)" in message
    assert "connection refused" in message or "503 no leader" in message
    assert clock.time < 10
    assert len(http.asked) > 4
    assert http.timeout_s <= 10


def test_nobody_there(make):
    client, _, _ = make({}, deadline_s=1)
    with pytest.raises(RpcError, match="none was known.*no instance of the service was found"):
        client.request("GET", "/x")


def test_redirects_in_a_circle(make):
    around = (307, b"", {"Location": "http://a/x"})
    client, http, _ = make({"http://a/x": [around]}, "http://a", max_attempts=2)
    with pytest.raises(RpcError, match="more than 5 redirects"):
        client.request("GET", "/x")
    assert len(http.asked) == 10


def test_the_overlords_client(make):
    base = "http://a/druid/indexer/v1"
    client, _, _ = make(
        {
            f"{base}/leader": [(200, b"http://a")],
            f"{base}/task": [(200, b'{"task":"t1"}')],
            f"{base}/task/t%2F1/status": [(200, b'{"task":"t/1","status":{"statusCode":"SUCCESS"}}')],
            f"{base}/task/x/status": [(404, b"Cannot find any task with id: [x]")],
            f"{base}/tasks?state=running": [(200, b"[]")],
        },
        "http://a",
    )
    overlord = OverlordClient(client)
    assert overlord.find_current_leader() == "http://a"
    assert overlord.run_task({"type": "noop"}) == "t1"
    assert overlord.task_status("t/1") == {"statusCode": "SUCCESS"}
    assert overlord.task_status("x") is None
    assert overlord.tasks(state="running") == []
