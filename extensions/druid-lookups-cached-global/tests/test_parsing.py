"""``namespaceParseSpec``: the examples of Druid's documentation, and what is refused."""

from __future__ import annotations

import pytest

from nemeton.common.errors import DruidException
from nemeton_lookups_cached_global.parsing import FlatDataParser

WANTED = {"foo": "bar", "baz": "bat", "buck": "truck"}
COLUMNS = {"columns": ["value", "somethingElse", "key"], "keyColumn": "key", "valueColumn": "value"}


def parsed(json, spec, *lines):
    return dict(json.structure(spec, FlatDataParser).pairs(lines))


@pytest.mark.parametrize(
    ("spec", "lines"),
    [
        ({"format": "csv", **COLUMNS}, ["bar,something,foo", '"bat",something2,"baz"', "truck,something3,buck"]),
        (
            {"format": "tsv", "delimiter": "|", **COLUMNS},
            ["bar|something,1|foo", "bat|something,2|baz", "truck|something,3|buck"],
        ),
        ({"format": "tsv", "columns": ["k", "v"]}, ["foo\tbar", "baz\tbat", "buck\ttruck"]),
        (
            {"format": "customJson", "keyFieldName": "key", "valueFieldName": "value"},
            [
                '{"key": "foo", "value": "bar", "somethingElse" : "something"}',
                '{"key": "baz", "value": "bat", "somethingElse" : "something"}',
                '{"key": "buck", "somethingElse": "something", "value": "truck"}',
                '{"key": "left out", "value": null}',
                '{"key": "left out, too"}',
            ],
        ),
        ({"format": "simpleJson"}, ['{"foo": "bar", "baz": "bat"}', '{"buck": "truck"}']),
    ],
)
def test_each_format_gives_keys_and_values(json, spec, lines):
    assert parsed(json, spec, *lines) == WANTED


def test_header_rows_are_passed_over_or_name_the_columns(json):
    two = {"format": "csv", "columns": ["k", "v"]}
    assert parsed(json, {**two, "skipHeaderRows": 1}, "# made by hand", "a,A") == {"a": "A"}
    assert parsed(json, {**two, "hasHeaderRow": True}, "x,y", "a,A") == {"a": "A"}
    named = {"format": "csv", "hasHeaderRow": True, "skipHeaderRows": 1, "keyColumn": "k", "valueColumn": "v"}
    assert parsed(json, named, "# made by hand", "v,k", "A,a") == {"a": "A"}


def test_the_last_line_of_a_key_counts_and_a_line_without_a_value_does_not(json):
    assert parsed(json, {"format": "csv", "columns": ["k", "v"]}, "a,A", "b", "a,AA", "c,") == {"a": "AA", "c": ""}


def test_numbers_and_truths_are_texts(json):
    spec = {"format": "customJson", "keyFieldName": "k", "valueFieldName": "v"}
    assert parsed(json, spec, '{"k": 1, "v": 2.5}', '{"k": "t", "v": true}') == {"1": "2.5", "t": "true"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"format": "csv"}, "`columns` list required"),
        ({"format": "csv", "columns": ["k"]}, "Must specify more than one column to have a key value pair"),
        ({"format": "csv", "columns": ["k", "v"], "keyColumn": "k"}, "Must specify both `keyColumn` and `valueColumn`"),
        (
            {"format": "tsv", "columns": ["k", "v"], "keyColumn": "x", "valueColumn": "v"},
            r"Column \[x\] not found int columns: \[k, v\]",
        ),
        ({"format": "customJson", "keyFieldName": "k"}, r"\[valueFieldName\] cannot be empty"),
        ({"format": "xml"}, r"\[xml\] is no known format; known are csv, tsv, customJson, simpleJson"),
    ],
)
def test_a_spec_without_sense_is_refused(json, spec, words):
    with pytest.raises(DruidException, match=words):
        json.structure(spec, FlatDataParser)


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"format": "customJson", "keyFieldName": "k", "valueFieldName": "v"}, '{"v": 1}'),
        ({"format": "customJson", "keyFieldName": "k", "valueFieldName": "v"}, "no json"),
        ({"format": "simpleJson"}, "[1]"),
        ({"format": "simpleJson"}, '{"a": {"b": 1}}'),
    ],
)
def test_a_damaged_line_spoils_the_file(json, spec, line):
    with pytest.raises(DruidException):
        parsed(json, spec, line)
