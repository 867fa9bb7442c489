"""The expression language against the real Druid: values, types and errors of expressions over rows of a query.

The answers are Druid 33.0.0's, recorded by `tests/interop/expression_cases.py`.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from tests.interop.expression_cases import ANSWERS, outcome, recorded, scan

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.query import QueryEngine
from nemeton.spi.query import Query

DIFFERING: dict[str, str] = json.loads((ANSWERS.parent / "differing.json").read_text())
"""Expressions that are answered otherwise, each with what kind of difference it is; README.md there says why."""

JSON = Json(load_extensions({"druid.extensions.loadList": "[]"}, ["nemeton.query.extension"]).registry)
ENGINE = QueryEngine()


def ours(expression: str) -> dict[str, Any]:
    try:
        query: Any = JSON.structure(scan(expression), Query)
        rows = JSON.unstructure(list(ENGINE.execute(query, lambda _: None)))
    except DruidException as error:
        return outcome(error.http_status, error.to_json())
    return outcome(200, json.loads(json.dumps(rows)))


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or math.isclose(a, b, rel_tol=1e-14)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def difference(wanted: dict[str, Any], got: dict[str, Any]) -> str | None:
    if wanted.get("broken"):  # Druid breaks off in the midst of its answer
        return None if "status" in got else "breaks"
    if "status" in wanted and "status" in got:
        # what a Broker of Druid stumbles over while it reads a query, ours (as Druid's Router) refuses with 400
        unread = wanted["errorCode"] is None and "Cannot read JSON" in str(got["errorMessage"])
        kinds = ("status", "error", "errorCode", "persona", "category")
        return None if unread or all(wanted[k] == got[k] for k in kinds) else "another error"
    if "status" in wanted or "status" in got:
        return "an error" if "status" in wanted else "no error"
    if not same(wanted["values"], got["values"]):
        return "values"
    return None if wanted["type"] == got["type"] else "type"


def groups() -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for expression in recorded():
        name = expression.partition("(")[0]
        out.setdefault(name if name.isidentifier() and "(" in expression else "operators and literals", []).append(
            expression
        )
    return out


@pytest.mark.parametrize("group", groups())
def test_expressions_are_answered_as_by_druid(group: str) -> None:
    answers = recorded()
    found = {text: difference(answers[text], ours(text)) for text in groups()[group]}
    expected = {text: DIFFERING.get(text) for text in found}
    assert {text: why for text, why in found.items() if why != expected[text]} == {}
