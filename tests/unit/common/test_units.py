from __future__ import annotations

import re

import pytest

from nemeton.common.errors import DruidException
from nemeton.common.ids import random_suffix, task_id
from nemeton.common.units import format_bytes, parse_bytes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-1", -1),
        (17, 17),
        ("1k", 1000),
        ("1KB", 1000),
        ("1Ki", 1024),
        ("1KiB", 1024),
        (" 3 gib ", 3 * 1024**3),
        ("500M", 500_000_000),
        ("2TiB", 2 * 1024**4),
        ("1P", 10**15),
    ],
)
def test_sizes(text, value):
    assert parse_bytes(text) == value


@pytest.mark.parametrize("text", ["", "x", "1.5G", "1i", "1GG", "10000P0", "99999999PiB", "K"])
def test_what_is_no_size(text):
    with pytest.raises(DruidException, match=r"\[" + re.escape(text)):
        parse_bytes(text)


def test_for_messages():
    assert [format_bytes(n) for n in (5, 1536, 3 * 1024**3)] == ["5 B", "1.50 KiB", "3.00 GiB"]


def test_task_ids_are_druids():
    assert re.fullmatch("[a-p]{8}", random_suffix())
    assert re.fullmatch(
        "index_parallel_wiki_[a-p]{8}_2024-01-01", task_id(None, "index_parallel", "wiki", "2024-01-01")
    )
    assert task_id("coordinator-issued", "kill", "wiki", "t").startswith("coordinator-issued_kill_wiki_")
