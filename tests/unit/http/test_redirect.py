"""Who is not the leader sends callers to the leader, as recorded."""

from __future__ import annotations

import pytest

from nemeton.http.redirect import LeaderRedirect, redirect_for

LOCAL = {
    "/druid/coordinator/v1/leader",
    "/druid/coordinator/v1/isLeader",
    "/druid/indexer/v1/leader",
    "/druid/indexer/v1/isLeader",
}


def rules(leads, leader):
    return [
        LeaderRedirect(prefix, lambda: leads, lambda: leader, LOCAL)
        for prefix in ("/druid/coordinator/", "/druid/indexer/")
    ]


def test_a_standby_answers_as_recorded(reference):
    standby = rules(leads=False, leader="http://localhost:28081")
    seen = set()
    for call in reference("leader-redirect.json"):
        asked, answered = call["request"], call["response"]
        if asked["service"] != "coordinator-overlord-standby" or asked["method"] == "HEAD":
            continue
        path, _, query = asked["path"].partition("?")
        mine = redirect_for(standby, path, query)
        if answered["status"] == 307:
            assert mine is not None, asked
            assert (mine.status, mine.headers["Location"]) == (307, answered["headers"]["Location"])
        else:
            assert mine is None, asked
        seen.add(answered["status"])
    assert {307, 200} <= seen


@pytest.mark.parametrize(("leads", "leader", "status"), [(True, "http://a:1", None), (False, None, 503)])
def test_the_leader_and_the_leaderless(leads, leader, status):
    mine = redirect_for(rules(leads, leader), "/druid/indexer/v1/tasks", "")
    assert (mine and mine.status) == status
