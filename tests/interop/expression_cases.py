"""Expressions that were asked of the real Druid, by function and kind of argument, and the rows that they see.

`python tests/interop/expression_cases.py BROKER` asks a Broker of the real Druid for all of them again and writes its
answers, which `tests/conformance/test_expression_answers.py` holds against ours. A new expression is one more key.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

COLUMNS = {"s": "STRING", "l": "LONG", "d": "DOUBLE", "f": "FLOAT", "mv": "STRING", "sa": "ARRAY<STRING>",
           "la": "ARRAY<LONG>", "da": "ARRAY<DOUBLE>", "j": "COMPLEX<json>"}  # fmt: skip
ROWS: list[list[Any]] = [
    ["foo", 1, 1.5, 1.5, ["a", "b"], ["a", "b"], [1, 2, 3], [1.5, 2.5], {"a": 1, "b": {"c": [1, 2.5, "x", None]}}],
    ["BAR ", -5, -2.25, 0.1, "a", ["a"], [1], [-1.0], {"a": "text", "b": None}],
    ["", 0, 0.0, 0.0, [], [], [], [], {}],
    [None, None, None, None, None, None, None, None, None],
    ["12", 1000000, 1e10, 3.5, ["b", None, "c"], ["b", None, "c"], [None, 7], [None, 0.5], [1, 2, {"a": 3.5}]],
    ["3.5", 9223372036854775807, 1e-5, -7.25, ["12", "12"], ["12", "12"], [5, 5], [1e10], "plain"],
    ["a,b", -9223372036854775808, 3.0, 2.0, ["", "x"], ["", "x"], [0], [0.0], 12],
    ["2024-02-29T12:34:56.789Z", 7, -0.5, 100.25, "é", ["é"], [-1, 9], [2.0], {"a": [{"b": True}], "c d": 2}],
    ["Ünï😀", 1709210096789, 1234.5678, -0.0, ["😀"], [None], [None], [None], {"a": False, "x.y": [[1, 2], [3]]}],
]

ANSWERS = Path(__file__).resolve().parents[1] / "data" / "reference" / "expressions" / "answers.json"


def recorded() -> dict[str, dict[str, Any]]:
    """The outcome of each expression as the real Druid gave it."""
    return json.loads(ANSWERS.read_text())


def scan(expression: str) -> dict[str, Any]:
    """A query for the values of an expression."""
    return {
        "queryType": "scan",
        "dataSource": {
            "type": "inline",
            "columnNames": list(COLUMNS),
            "columnTypes": list(COLUMNS.values()),
            "rows": ROWS,
        },
        "intervals": ["0000/3000"],
        "virtualColumns": [{"type": "expression", "name": "v", "expression": expression}],
        "columns": ["v"],
        "resultFormat": "compactedList",
    }


def ask(broker: str, query: Any) -> tuple[int, Any]:
    """The status and the body of a Broker's answer; a body that breaks off is text."""
    body = query if isinstance(query, bytes) else json.dumps(query).encode()
    request = urllib.request.Request(f"{broker}/druid/v2/", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text.decode("utf-8", "replace")


def outcome(status: int, body: Any) -> dict[str, Any]:
    """What is kept of an answer: type and values, or the status and what kind of error it is."""
    if status != 200:
        body = body if isinstance(body, dict) else {}
        return {
            "status": status,
            **{k: body.get(k) for k in ("error", "errorCode", "persona", "category", "errorMessage")},
        }
    if not isinstance(body, list):
        return {"status": 200, "broken": True}
    values = [row[0] for batch in body for row in batch["events"]]
    return {"type": body[0]["rowSignature"][0].get("type") if body else None, "values": values}


def main() -> None:
    """Ask a real Broker and write what it says."""
    answers = {}
    for text in recorded():
        try:
            answers[text] = outcome(*ask(sys.argv[1], scan(text)))
        except OSError as error:  # the Broker breaks the connection off, or does not answer
            answers[text] = {"status": 200, "broken": True}
            print(text, error, file=sys.stderr)
    ANSWERS.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in answers.items()) + "\n}\n")


if __name__ == "__main__":
    main()
