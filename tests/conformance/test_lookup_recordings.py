"""Lookups over HTTP, Coordinator and nodes, against what Druid 33 answered to the same requests in the same order."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nemeton.server.embedded import EmbeddedCluster
from nemeton.testkit.waiting import eventually

FOLDER = Path(__file__).parents[1] / "data" / "reference" / "api"
LOOKUPS = "/druid/coordinator/v1/lookups"
COUNTRY = json.loads((FOLDER / "lookups-propagated.json").read_text())[0]["response"]["json"]

#: Druid looks at its nodes every two minutes, and had not when these were asked.
AS_OF_LAST_ROUND = {"lookups": {*range(16, 41)}, "lookups-propagated": {2, 3, 4, 5, 6, 7, 8}}
NOTHING = {"current": {}, "toLoad": {}, "toDrop": []}
SERVICES = {"coordinator-overlord": "coordinator"}

pytestmark = pytest.mark.xdist_group("lookup-recordings")  # one cluster for all of them, in this order


def load(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def ask(url: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    sent = {"Accept": "*/*", **({"Content-Type": "application/json"} if data is not None else {}), **(headers or {})}
    request = urllib.request.Request(url, data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(tmp_path_factory.mktemp("lookups"), router_port=0) as made:
        yield made


def replay(cluster: EmbeddedCluster, recording: dict[str, Any]) -> tuple[int, str]:
    asked = recording["request"]
    service = SERVICES.get(asked["service"], asked["service"])
    return ask(f"{cluster.url(service)}{asked['path']}", asked["method"], asked.get("body"), asked.get("headers"))


def check(name: str, index: int, recording: dict[str, Any], status: int, text: str) -> None:
    expected = recording["response"]
    where = f"{name}[{index}] {recording['request']['method']} {recording['request']['path']}"
    assert status == expected["status"], f"{where}: {text}"
    if "json" not in expected:
        assert text == expected["text"], where
    elif re.match("Cannot deserialize", str(expected["json"].get("error") if status >= 400 else "")):
        assert json.loads(text)["error"], f"{where}: Jackson's words are Jackson's"
    else:
        assert json.loads(text) == expected["json"], where


@pytest.fixture(scope="module")
def configured(cluster: EmbeddedCluster) -> EmbeddedCluster:
    """With the lookups that the first recording has put there, the last of them of a kind that nobody knows."""
    name = "lookups"
    for index, recording in enumerate(load(name)):
        if index in AS_OF_LAST_ROUND[name]:
            break
        check(name, index, recording, *replay(cluster, recording))
    return cluster


@pytest.fixture(scope="module")
def propagated(configured: EmbeddedCluster) -> EmbeddedCluster:
    """With the lookup of the second recording on all nodes."""
    coordinator = configured.url("coordinator")
    assert ask(f"{coordinator}{LOOKUPS}/config", "POST", COUNTRY)[0] == 202
    loaded = {"__default": {"country": {"loaded": True}}}
    eventually(lambda: json.loads(ask(f"{coordinator}{LOOKUPS}/status")[1]) == loaded, "the nodes load the lookup")
    return configured


def nodes_of(cluster: EmbeddedCluster) -> list[str]:
    return sorted(cluster.url(role).removeprefix("http://") for role in ("broker", "historical"))


def test_the_configuration_is_answered_as_by_druid(configured):
    assert ask(f"{configured.url('coordinator')}{LOOKUPS}/config")[1] == '["__default"]'


@pytest.mark.parametrize(
    ("path", "of_nodes"),
    [
        ("status", lambda nodes: {"__default": {"country": {"loaded": False}}}),
        ("status?detailed=true", lambda nodes: {"__default": {"country": {"loaded": False, "pendingNodes": nodes}}}),
        ("status/__default", lambda nodes: {"country": {"loaded": False}}),
        ("status/__default/country", lambda nodes: {"loaded": False}),
        ("status/__default/country?detailed=true", lambda nodes: {"loaded": False, "pendingNodes": nodes}),
    ],
)
def test_a_lookup_of_a_kind_that_no_node_knows_is_pending_for_ever(
    configured: EmbeddedCluster, path: str, of_nodes: Callable[[list[str]], Any]
) -> None:
    status, text = ask(f"{configured.url('coordinator')}{LOOKUPS}/{path}")
    assert (status, json.loads(text)) == (200, of_nodes(nodes_of(configured)))


@pytest.mark.parametrize(
    ("path", "status", "answer"),
    [
        ("status/nosuch", 404, {"error": "No lookups found for tier [nosuch]."}),
        ("status/__default/nosuch", 404, {"error": "Lookup [nosuch] not found for tier [__default]."}),
        ("nodeStatus/nosuch", 200, {}),
        ("nodeStatus/__default/nosuch:1", 404, {"error": "Node [nosuch:1] status is unknown."}),
        ("config/nosuch/x", 404, {"error": "lookup [x] not found"}),
    ],
)
def test_what_is_not_there_is_said_in_druids_words(configured, path, status, answer):
    found = ask(f"{configured.url('coordinator')}{LOOKUPS}/{path}")
    assert (found[0], json.loads(found[1])) == (status, answer)


def test_the_nodes_of_a_tier_are_shown_with_what_they_have(propagated):
    states = {node: {"current": COUNTRY["__default"], "toLoad": {}, "toDrop": []} for node in nodes_of(propagated)}
    base = f"{propagated.url('coordinator')}{LOOKUPS}/nodeStatus"
    assert json.loads(ask(base)[1]) == {"__default": states}
    assert json.loads(ask(f"{base}?discover=true")[1]) == {"__default": states}
    assert json.loads(ask(f"{base}/__default")[1]) == states
    for node, state in states.items():
        assert json.loads(ask(f"{base}/__default/{node}")[1]) == state
        versions = json.loads(ask(f"{base}?detailed=false")[1])["__default"][node]
        assert versions == {"current": {"country": "w1"}, "toLoad": {}, "toDrop": []}


def test_loaded_lookups_are_answered_as_by_druid_until_they_are_deleted(propagated):
    name = "lookups-propagated"
    for index, recording in enumerate(load(name)):
        if index not in AS_OF_LAST_ROUND[name]:
            check(name, index, recording, *replay(propagated, recording))
    for role in ("broker", "historical"):
        state = f"{propagated.url(role)}/druid/listen/v1/lookups"
        eventually(lambda state=state: json.loads(ask(state)[1]) == NOTHING, "the node drops the lookup")
    for index, recording in enumerate(load("lookups")[25:], 25):
        check("lookups", index, recording, *replay(propagated, recording))


def test_a_node_takes_lookups_without_versions_from_anybody(cluster):
    base = f"{cluster.url('historical')}/druid/listen/v1/lookups"
    given = {"type": "map", "map": {"k": "1"}, "isOneToOne": False}
    accepted = {"status": "accepted", "failedUpdates": {}}
    assert ask(f"{base}/one", "POST", given) == (202, json.dumps(accepted, separators=(",", ":")))
    assert ask(base, "POST", {"two": given})[0] == 202
    for name in ("one", "two"):
        eventually(lambda name=name: ask(f"{base}/{name}")[0] == 200, "the node loads it")
    assert json.loads(ask(f"{base}/one")[1]) == {"version": None, "lookupExtractorFactory": given}
    assert ask(f"{base}/one", "DELETE") == (202, '"one"')
    assert ask(f"{base}/x", "POST", {"type": "bogus"})[0] == 400
