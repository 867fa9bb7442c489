"""Which lookups the context of a task asks for."""

from __future__ import annotations

import pytest

from nemeton.common.errors import DruidException
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.spi.lookup_loading import LOAD_ALL, LOAD_NONE, LoadingMode, LookupLoadingSpec


def of(**context):
    return LookupLoadingSpec.from_context(context, LOAD_ALL)


def test_the_context_says_which_lookups_are_loaded():
    assert of() == LOAD_ALL
    assert of(lookupLoadingMode="ALL") == LOAD_ALL
    assert of(lookupLoadingMode="NONE", lookupsToLoad=["a"]) == LOAD_NONE
    some = of(lookupLoadingMode="ONLY_REQUIRED", lookupsToLoad=["a", "b"])
    assert some == LookupLoadingSpec(LoadingMode.ONLY_REQUIRED, frozenset({"a", "b"}))
    assert [name for name in "abc" if some.allows(name)] == ["a", "b"]


@pytest.mark.parametrize(
    ("context", "words"),
    [
        (
            {"lookupLoadingMode": "some"},
            r"Invalid value of lookupLoadingMode\[some\]. Allowed values are \[ALL",
        ),
        ({"lookupLoadingMode": "ONLY_REQUIRED"}, r"Set of lookups to load cannot be null for mode\[ONLY_REQUIRED\]."),
        ({"lookupLoadingMode": "ONLY_REQUIRED", "lookupsToLoad": []}, r"Set of lookups to load cannot be \[\]"),
        ({"lookupLoadingMode": "ONLY_REQUIRED", "lookupsToLoad": "a"}, r"Invalid value of lookupsToLoad\[a\]. Please"),
    ],
)
def test_a_context_without_sense_is_refused_in_druids_words(context, words):
    with pytest.raises(DruidException, match=words):
        of(**context)


def test_a_task_that_reads_no_rows_loads_none():
    assert NoopTask().lookup_loading_spec == LOAD_NONE
