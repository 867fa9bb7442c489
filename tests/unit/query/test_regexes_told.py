"""Patterns that cannot be read, in the words of a real Druid (of Java)."""

from __future__ import annotations

import pytest

from nemeton.common.errors import DruidException
from nemeton.query.expressions.regexes import java_regex


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(", "Unclosed group near index 1\n("),
        ("a(b", "Unclosed group near index 3\na(b"),
        ("*a", "Dangling meta character '*' near index 0\n*a\n^"),
        ("a**", "Dangling meta character '*' near index 2\na**\n  ^"),
        ("a|*", "Dangling meta character '*' near index 2\na|*\n  ^"),
        ("[a", "Unclosed character class near index 1\n[a\n ^"),
        ("a)", "Unmatched closing ')' near index 0\na)\n^"),
        ("(a))", "Unmatched closing ')' near index 2\n(a))\n  ^"),
        ("a\\", "Unexpected internal error near index 2\na\\"),
    ],
)
def test_what_is_wrong_is_told_as_java_tells_it(pattern: str, told: str) -> None:
    with pytest.raises(DruidException) as caught:
        java_regex(pattern)
    assert caught.value.message == told


def test_other_faults_name_the_pattern() -> None:
    with pytest.raises(DruidException, match=r"^Invalid regular expression \[\[z-a\]\]: "):
        java_regex("[z-a]")
