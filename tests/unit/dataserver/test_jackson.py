"""Bodies that are no query, in the words that clients of Druid know."""

from __future__ import annotations

import pytest

from nemeton.dataserver.jackson import explain

PLACE = "\n at [Source: (org.eclipse.jetty.server.HttpInputOverHTTP); line: 1, column: {}]"


@pytest.mark.parametrize(
    ("body", "failure", "text"),
    [
        ("", "whatever", "No content to map due to end-of-input" + PLACE.format(0)),
        (
            '{"queryType": "topN"}',
            "Cannot read JSON at [$.dataSource]: is required",
            "Cannot construct instance of `org.apache.druid.query.topn.TopNQuery`, problem: dataSource can't be null"
            + PLACE.format(21),
        ),
        (
            '{"queryType": "scan", "order": "up"}',
            "Cannot read JSON at [$]: No enum constant org.apache.druid.query.Order.UP",
            "Cannot construct instance of `org.apache.druid.query.Order`, problem: No enum constant "
            "org.apache.druid.query.Order.UP"
            + PLACE.format(32)
            + ' (through reference chain: org.apache.druid.query.scan.ScanQuery["order"])',
        ),
        (
            '{"queryType": "topN", "filter": {"type": "bound", "a": [1, {}]}}',
            "Cannot read JSON at [$.filter.dimension]: is required",
            "Cannot construct instance of `org.apache.druid.query.filter.BoundDimFilter`, problem: dimension can not "
            "be null"
            + PLACE.format(63)
            + ' (through reference chain: org.apache.druid.query.topn.TopNQuery["filter"])',
        ),
    ],
)
def test_says_class_place_and_chain(body: str, failure: str, text: str) -> None:
    said = explain(body.encode(), failure)
    assert said is not None
    assert said.message == text
    assert said.error_class.startswith("com.fasterxml.jackson.databind.exc.")


@pytest.mark.parametrize(
    "body", ["[" * 100_000, "nope", '{"queryType": ["x"]}', '{"queryType": "scan"}\n', "[[1], 2]", "{}x"]
)
def test_has_no_words_for_what_it_does_not_know(body: str) -> None:
    assert explain(body.encode(), "Cannot read JSON at [$.dataSource]: is required") is None
