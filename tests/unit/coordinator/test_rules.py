from __future__ import annotations

import pytest

from nemeton.common.errors import DruidException
from nemeton.model import DataSegment
from nemeton.spi.coordinator import Rule
from nemeton.time import Interval, parse_datetime

NOW = parse_datetime("2024-06-15T00:00Z")


@pytest.mark.parametrize(
    ("rule", "applies", "does_not"),
    [
        ({"type": "loadForever"}, ["2000/2001", "3000/3001"], []),
        (
            {"type": "loadByInterval", "interval": "2024-01-01/2024-02-01"},
            ["2024-01-01/2024-01-02", "2023-12-31/2024-01-02"],
            ["2024-02-01/2024-03-01", "2023-12-01/2024-01-01"],
        ),
        (
            {"type": "loadByPeriod", "period": "P1M"},
            ["2024-06-01/2024-06-02", "2024-05-14/2024-05-16", "2024-07-01/2024-07-02"],
            ["2024-05-14/2024-05-15"],
        ),
        (
            {"type": "loadByPeriod", "period": "P1M", "includeFuture": False},
            ["2024-06-01/2024-06-02", "2024-06-14/2024-06-16"],
            ["2024-06-15/2024-06-16"],
        ),
        ({"type": "dropForever"}, ["2000/2001"], []),
        (
            {"type": "dropByInterval", "interval": "2024-01-01/2024-02-01"},
            ["2024-01-01/2024-01-02"],
            ["2023-12-31/2024-01-02"],
        ),
        (
            {"type": "dropByPeriod", "period": "P1M"},
            ["2024-05-15/2024-05-16", "2024-07-01/2024-07-02"],
            ["2024-05-14/2024-05-16"],
        ),
        (
            {"type": "dropByPeriod", "period": "P1M", "includeFuture": False},
            ["2024-05-15/2024-05-16"],
            ["2024-06-14/2024-06-16"],
        ),
        ({"type": "dropBeforeByPeriod", "period": "P1M"}, ["2024-05-14/2024-05-15"], ["2024-05-14/2024-05-16"]),
        ({"type": "broadcastForever"}, ["2000/2001"], []),
    ],
)
def test_which_segments_a_rule_is_about(json, rule, applies, does_not):
    rule = json.structure(rule, Rule)
    assert [text for text in applies if not rule.applies_to(Interval.parse(text), NOW)] == []
    assert [text for text in does_not if rule.applies_to(Interval.parse(text), NOW)] == []


@pytest.mark.parametrize(
    "recorded",
    [
        {"type": "loadForever", "tieredReplicants": {"_default_tier": 2}, "useDefaultTierForNull": True},
        {
            "type": "loadByPeriod",
            "period": "P100Y",
            "includeFuture": True,
            "tieredReplicants": {"_default_tier": 1},
            "useDefaultTierForNull": True,
        },
        {
            "type": "loadByInterval",
            "interval": "2024-01-01T00:00:00.000Z/2025-01-01T00:00:00.000Z",
            "tieredReplicants": {"hot": 2},
            "useDefaultTierForNull": True,
        },
        {"type": "broadcastForever"},
        {"type": "dropBeforeByPeriod", "period": "P1Y"},
        {"type": "dropByInterval", "interval": "2000-01-01T00:00:00.000Z/2001-01-01T00:00:00.000Z"},
        {"type": "dropByPeriod", "period": "P1M", "includeFuture": False},
        {"type": "dropForever"},
    ],
)
def test_recorded_rules_are_written_back(json, recorded):
    assert json.unstructure(json.structure(recorded, Rule)) == recorded


def test_defaults_are_written_out(json):
    assert json.unstructure(json.structure({"type": "loadForever"}, Rule)) == {
        "type": "loadForever",
        "tieredReplicants": {"_default_tier": 2},
        "useDefaultTierForNull": True,
    }


def test_unknown_rules_name_the_known_ones(json):
    with pytest.raises(DruidException, match=r"bogus.*broadcastByInterval.*loadForever"):
        json.structure({"type": "bogus"}, Rule)


def test_a_negative_number_of_copies_is_refused(json):
    with pytest.raises(DruidException, match=r"tier \[_default_tier\].*\[-1\] must be positive"):
        json.structure({"type": "loadForever", "tieredReplicants": {"_default_tier": -1}}, Rule)


def test_what_rules_do(json):
    did = []

    class Handler:
        def replicate(self, segment, replicants):
            did.append(("replicate", dict(replicants)))

        def broadcast(self, segment):
            did.append("broadcast")

        def delete(self, segment):
            did.append("delete")

    segment = DataSegment("ds", Interval(0, 1), "v")
    for name in ("loadForever", "broadcastForever", "dropForever"):
        json.structure({"type": name}, Rule).run(segment, Handler())
    assert did == [("replicate", {"_default_tier": 2}), "broadcast", "delete"]


@pytest.mark.parametrize(
    ("rule", "keeps"),
    [
        ({"type": "loadForever"}, True),
        ({"type": "loadForever", "tieredReplicants": {"hot": 0}}, False),
        ({"type": "loadForever", "useDefaultTierForNull": False}, False),
        ({"type": "dropForever"}, False),
        ({"type": "broadcastForever"}, True),
    ],
)
def test_whether_segments_are_served_at_all(json, rule, keeps):
    assert json.structure(rule, Rule).keeps is keeps
